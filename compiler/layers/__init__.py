"""The layers: one module a family, one class a layer (see base.py)."""

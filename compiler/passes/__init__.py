"""Operator graph to operator graph: one file a pass, put in order in `pipeline.py`."""

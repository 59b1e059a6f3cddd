"""How other tools name and lay out the weights of a layer: base.py says what a layout is, then one module a tool."""

"""Pictures of layer graphs: a tree of boxes and groups, folded, laid out in layers, drawn as SVG or PNG.

The layout is our own: measured against Graphviz' dot (51 s for a graph of 3,000 layers, 110 MB of libraries in its
wheel), no layout package that pip installs draws nested groups and is quick at the size of real models.
"""

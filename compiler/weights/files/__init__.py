"""Files that hold weights, behind one interface: what is in one, read slice by slice, and written slice by slice.

base.py says what a format is; each format is a module of its own; formats.py finds the one that a file is in.
"""

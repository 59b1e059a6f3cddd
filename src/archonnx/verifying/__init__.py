"""Checking a model against a second opinion: `verify` of checking.py; it brings compiler and runtime together.

sizes.py        the batch sizes and open sizes that it is run with
inputs.py       seeded arrays of these sizes, in the ranges that the layers ask for
weights.py      the weights that are compared with, none of them all alike
sides.py        what is compared: our graph, the second route's, Keras' prediction, another file
agreement.py    the error between two sides, output by output
divergence.py   the first layer whose result differs, and its line
matching.py     the values of a file that others made, found by name or by what they hold
ledger.py       where every parameter is on each side

Text and JSON are made by the command line (cli/verify_text.py).
"""

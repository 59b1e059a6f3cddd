"""Plans: how a model runs best on this machine, found by measuring, written beside it, and taken by `load`."""

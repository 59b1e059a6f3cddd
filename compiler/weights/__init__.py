"""Weights: initializers and how they draw, readers and writers of other tools' files."""

"""Any batch: what a model computes row by row, runs of as many rows as memory holds, and memory that is given back."""

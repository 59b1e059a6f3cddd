"""Tokens padded into buckets behind a mask, where an analysis of the graph proves that no result changes."""

"""Elaboration: a syntax tree becomes a layer graph. One body at a time, statement by statement, never over the graph's depth."""

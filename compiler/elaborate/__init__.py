"""Elaboration: a syntax tree becomes a layer graph. Body by body, never over the graph's depth."""

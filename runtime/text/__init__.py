"""Texts as inputs: tokenizers that travel with a model, and what they make of a text."""

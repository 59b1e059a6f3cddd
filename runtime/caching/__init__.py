"""What a start has worked out, kept for the next one: optimised graphs, and what providers have compiled."""

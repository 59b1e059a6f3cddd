"""Text to syntax tree and back: tokens, lines, expressions, statements, and the formatter."""

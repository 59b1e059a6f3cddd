"""Maps: text files that say which tensors of another tool's file are which weights of a model (docs/maps.md).

parser.parse_map(text, name) -> tree.MapFile       reads the text; diagnostics at the place
evaluate.Evaluator(...).value(expression, ...)     the recipe that an expression stands for
"""

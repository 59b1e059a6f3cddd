"""References: what another tool, or a paper, counts of a model: NAME.reference.json beside NAME.arch.

reading.read_references(path)      the file as data; diagnostics at the place of what is wrong with it
checking.check_model(model, ...)   a compiled model held against its reference
located.parse(text, name)          JSON whose objects know where in the text their keys and values stand
"""

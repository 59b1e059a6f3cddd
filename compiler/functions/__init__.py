"""Functions of tensors, by numpy's names: one class each, found by its name as layers are."""

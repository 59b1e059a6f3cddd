"""The bounds of rule 13: elaboration ends with a diagnostic, not with the machine."""

from __future__ import annotations

LAYERS = 1_000_000
NESTED_BLOCKS = 256
STEPS = 10_000_000
INTEGER_BITS = 4096
ELEMENTS = 1_000_000  # of a list or a string
ELEMENTS_A_STEP = 8  # how many elements are copied in about the time of a step
RANK = 64  # axes of a constant
FILE_BYTES = 64 * 1024 * 1024

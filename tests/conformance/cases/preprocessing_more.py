"""Numbers to categories: CategoryEncoding, Discretization, IntegerLookup."""

from __future__ import annotations

from keras_harness import Case, each

TOKENS = ("int64[N, 5]",)
OPEN = ("int64[N, T]",)
VALUES = ("float32[N, 5]",)
# Numbers below 0 as well: floats are cut to whole ones on both sides.
MIXED = ("float32[N, 12]",)
WEIGHTED = ("int64[N, T]", "float32[N, T]")
WEIGHT = "layer(x0, count_weights=x1)"
EDGES = [round(-2.5 + 0.043 * step, 3) for step in range(120)]
WIDE = [step * 7 % 300 - 50 for step in range(300)]

CASES = [
    *each(
        """
        CategoryEncoding(10)
        CategoryEncoding(num_tokens=10, output_mode="multi_hot")
        CategoryEncoding(10, "one_hot")
        CategoryEncoding(10, "count")
        CategoryEncoding(10, "binary")
        CategoryEncoding(7, "multi_hot")
        CategoryEncoding(7, "one_hot")
        CategoryEncoding(7, "count")
        CategoryEncoding(10, "count", dtype="float64")
        CategoryEncoding(10, "one_hot", dtype="float16")
        CategoryEncoding(10, "one_hot", False)
        """,
        TOKENS,
        high=9,
    ),
    *(
        Case(f'CategoryEncoding(9, "{mode}")', kind, high=8, opset=opset)
        for mode in ("multi_hot", "one_hot", "count")
        for kind in (OPEN, ("int32[N, T]",), ("int64[N]",), ("int64[N, 1]",))
        for opset in (None, 17)
    ),
    Case("CategoryEncoding(2)", ("bool[N, 5]",)),
    Case('CategoryEncoding(3, "count")', ("float32[N, 5]",), low=0, high=2.9),
    Case('CategoryEncoding(1500, "one_hot")', OPEN, high=1499),
    Case('Discretization([n / 300 - 2 for n in range(1100)], output_mode="one_hot")', ("float32[N, 5]",)),
    Case('IntegerLookup(vocabulary=[n for n in range(1100)], output_mode="one_hot")', ("int64[N]",), high=1200),
    Case('CategoryEncoding(3, "one_hot")', ("float32[N, 5]",)),
    Case('CategoryEncoding(9, "one_hot")', ("uint8[N, T, 3]",), high=8),
    Case('CategoryEncoding(9, "one_hot")', ("int64[N, T, 1]",), high=8),
    Case('CategoryEncoding(9, "count")', OPEN, high=8, opset=24),
    Case("CategoryEncoding(9)", OPEN, high=8, opset=24),
    Case('CategoryEncoding(9, "count")', WEIGHTED, high=8, apply=WEIGHT),
    Case('CategoryEncoding(9, "count")', WEIGHTED, high=8, apply=WEIGHT, opset=17),
    Case('CategoryEncoding(5, "count")', WEIGHTED, high=8, apply=WEIGHT, flow="(x0, count_weights=x1)"),
    Case('CategoryEncoding(9, "count", dtype="float64")', ("int32[N, 4]", "float64[N, 4]"), high=8, apply=WEIGHT),
    Case('CategoryEncoding(9, "count")', ("int64[N]", "int32[N]"), high=8, apply=WEIGHT),
    *each(
        """
        Discretization([0.0, 1.0])
        Discretization([-1, -0.5, 0, 0.25, 1.5])
        Discretization([0.5])
        Discretization([])
        Discretization([1, 1, 1.5])
        Discretization([0.0, 1.0], None, 0.5, "int")
        Discretization([0.0, 1.0], output_mode="one_hot")
        Discretization([0.0, 1.0], output_mode="multi_hot")
        Discretization([0.0, 1.0], output_mode="count")
        Discretization([0.0, 1.0], output_mode="count", dtype="float64")
        Discretization([0.1, 0.2], dtype="float64")
        Discretization([0.1, 0.2], dtype="float16")
        """,
        VALUES,
    ),
    *(Case(f"Discretization({EDGES})", kind, low=-4, high=4) for kind in (VALUES, ("float64[N, T, 3]",))),
    Case(f'Discretization({EDGES}, output_mode="count", dtype="float64")', ("float64[N, T]",), low=-4, high=4),
    *(
        Case(f'Discretization([0.0, 1.0], output_mode="{mode}")', kind, opset=opset)
        for mode in ("int", "one_hot", "multi_hot", "count")
        for kind in (("float32[N, T]",), ("float32[N]",), ("float32[N, 1]",))
        for opset in (None, 17)
    ),
    Case('Discretization([0.0, 1.0], output_mode="one_hot")', ("float32[N, T, 3]",)),
    Case("Discretization([3, 5.5, 7])", ("int64[N, T]",), high=9),
    Case("Discretization([3, 5.5, 7])", ("uint8[N, T]",), high=9),
    Case("Discretization([0.5])", ("bool[N, T]",)),
    Case("Discretization([0.0])", ("float32[]",)),
    *each(
        """
        IntegerLookup(vocabulary=[10, 7, -3, 2])
        IntegerLookup(None, 2, vocabulary=[10, 7, -3, 2])
        IntegerLookup(vocabulary=[10, 7, -3, 2], num_oov_indices=3, oov_method="floormod", salt=None)
        IntegerLookup(vocabulary=[10, 7, -3, 2], oov_method="farmhash")
        IntegerLookup(vocabulary=[10, 7, -3, 2], mask_token=0)
        IntegerLookup(vocabulary=[10, 7, -3, 2], mask_token=1, num_oov_indices=2)
        IntegerLookup(vocabulary=[0, -1, 10, 7], mask_token=0)
        IntegerLookup(vocabulary=[-1, 10, 7], vocabulary_dtype="int64")
        IntegerLookup(vocabulary=[10, 7, 4], oov_token=10)
        IntegerLookup(vocabulary=[10, 7, -3, 2], invert=True)
        IntegerLookup(vocabulary=[10, 7, -3, 2], invert=True, mask_token=5, oov_token=-9)
        IntegerLookup(vocabulary=[10, 7, -3, 2], invert=True, num_oov_indices=2)
        IntegerLookup(vocabulary=[10, 7, -3, 2], output_mode="one_hot")
        IntegerLookup(vocabulary=[10, 7, -3, 2], output_mode="multi_hot")
        IntegerLookup(vocabulary=[10, 7, -3, 2], output_mode="count")
        IntegerLookup(vocabulary=[10, 7, -3, 2], output_mode="one_hot", mask_token=0)
        IntegerLookup(vocabulary=[10, 7, -3, 2], output_mode="multi_hot", mask_token=0, num_oov_indices=2)
        IntegerLookup(vocabulary=[10, 7, -3, 2], output_mode="count", mask_token=1, num_oov_indices=3)
        IntegerLookup(9, vocabulary=[10, 7, -3, 2], output_mode="count", pad_to_max_tokens=True)
        IntegerLookup(9, vocabulary=[10, 7, -3, 2], output_mode="one_hot", pad_to_max_tokens=True)
        IntegerLookup(5, vocabulary=[10, 7, -3, 2])
        IntegerLookup(vocabulary=[10, 7, -3, 2], output_mode="tf_idf", idf_weights=[1, 2.5, 3, 0.5])
        IntegerLookup(vocabulary=[-1, 10, 7], output_mode="tf-idf", idf_weights=[1, 2.5, 3])
        IntegerLookup(9, 2, vocabulary=[10, 7], output_mode="tf_idf", idf_weights=[1, 2.5], pad_to_max_tokens=True)
        IntegerLookup(vocabulary=[10, 7], output_mode="count", sparse=False, dtype="float32")
        """,
        MIXED,
        low=-5,
        high=12,
    ),
    Case(f"IntegerLookup(vocabulary={WIDE}, num_oov_indices=4)", ("int64[N, T]",), high=400),
    Case("IntegerLookup(vocabulary=[3, 1, 2, 0], num_oov_indices=0)", ("int64[N, T]",), high=3),
    Case('IntegerLookup(vocabulary=[3, 1, 2, 0], num_oov_indices=0, output_mode="count")', ("int32[N, T]",), high=3),
    Case("IntegerLookup(vocabulary=[3, 1])", ("uint8[N, T, 2]",), high=5),
    Case("IntegerLookup(vocabulary=[3, 1])", ("int64[]",), high=5),
    Case('IntegerLookup(vocabulary=[3, 1], output_mode="one_hot")', ("int64[N, 1]",), high=5),
    Case('IntegerLookup(vocabulary=[3, 1], output_mode="multi_hot", mask_token=2)', ("int64[N]",), high=5),
    Case('IntegerLookup(vocabulary=[3, 1], output_mode="count", num_oov_indices=2)', OPEN, high=5, opset=17),
    Case('IntegerLookup(vocabulary=[3, 1], output_mode="multi_hot")', OPEN, high=5, opset=24),
]

"""SimpleRNN, LSTM, GRU: over time, with states, with masks, and their cells."""

from __future__ import annotations

from keras_harness import Case, each

OPEN = ("float32[N, T, 6]",)
STEPS = ("float32[N, 7, 6]",)
TOKENS = ("int32[N, T]",)
TABLE = "Embedding(4, 6, mask_zero=True)"
ONE = ("float32[N, T, 6]", "float32[N, 5]")
TWO = (*ONE, "float32[N, 5]")
CELL_ONE = ("float32[N, 6]", "float32[N, 5]")
CELL_TWO = (*CELL_ONE, "float32[N, 5]")
FROM_ONE = "layer(x0, initial_state=[x1])"
FROM_TWO = "layer(x0, initial_state=[x1, x2])"
# A cell of Keras gives its states as a list of their own.
STEP_ONE = "(lambda y, states: (y, *states))(*layer(x0, [x1]))"
STEP_TWO = "(lambda y, states: (y, *states))(*layer(x0, [x1, x2]))"
BY_OPERATOR = (
    "celu",
    "elu",
    "hard_sigmoid",
    "leaky_relu",
    "linear",
    "sigmoid",
    "softplus",
    "softsign",
    "sparse_sigmoid",
)
BY_SCAN = ("gelu", "hard_tanh", "mish", "relu6", "selu", "silu", "softmax")
LAYERS = ("SimpleRNN", "LSTM", "GRU")


def masked(call: str, **options: object) -> Case:
    """A case where a third of the steps is masked, anywhere."""
    return Case(call, TOKENS, before=TABLE, low=0, high=2, **options)  # type: ignore[arg-type]


CASES = [
    *each(
        """
        SimpleRNN(5)
        SimpleRNN(1)
        SimpleRNN(units=5, activation="relu")
        SimpleRNN(5, "tanh", False)
        SimpleRNN(5, use_bias=False, return_sequences=True)
        SimpleRNN(5, go_backwards=True)
        SimpleRNN(5, go_backwards=True, return_sequences=True)
        SimpleRNN(5, dropout=0.2, recurrent_dropout=0.1)
        LSTM(5)
        LSTM(1)
        LSTM(units=5, activation="relu", recurrent_activation="hard_sigmoid")
        LSTM(5, "tanh", "sigmoid", False)
        LSTM(5, use_bias=False, return_sequences=True)
        LSTM(5, unit_forget_bias=False)
        LSTM(5, go_backwards=True)
        LSTM(5, go_backwards=True, return_sequences=True)
        LSTM(5, dropout=0.2, recurrent_dropout=0.1)
        LSTM(5, unroll=True, use_cudnn=False)
        GRU(5)
        GRU(1)
        GRU(units=5, activation="relu", recurrent_activation="hard_sigmoid")
        GRU(5, "tanh", "sigmoid", False)
        GRU(5, use_bias=False, reset_after=False)
        GRU(5, reset_after=False)
        GRU(5, reset_after=False, return_sequences=True)
        GRU(5, go_backwards=True)
        GRU(5, go_backwards=True, return_sequences=True)
        GRU(5, dropout=0.2, recurrent_dropout=0.1)
        """,
        STEPS,
    ),
    *[Case(f'{layer}(5, "{name}")', STEPS) for layer in LAYERS for name in BY_OPERATOR],
    *[Case(f'{layer}(5, "{name}", return_sequences=True)', STEPS) for layer in LAYERS for name in BY_SCAN],
    *[Case(f'{layer}(5, recurrent_activation="{n}")', STEPS) for layer in LAYERS[1:] for n in ("relu6", "softmax")],
    *[Case(f"{layer}(5, activation=LeakyReLU(0.3))", STEPS) for layer in LAYERS],
    *[Case(f"{layer}(5{reset})", OPEN, opset=opset) for layer, reset in
      (("SimpleRNN", ""), ("LSTM", ""), ("GRU", ""), ("GRU", ", reset_after=False")) for opset in (17, 23, 24, 28)],
    *[Case(f'{layer}(5, "silu", return_sequences=True, go_backwards=True)', OPEN, opset=opset) for layer in LAYERS
      for opset in (17, 24)],
    *[Case(f'{layer}(5, "selu", {more})', OPEN) for layer in LAYERS
      for more in ("go_backwards=True", "use_bias=False", "return_sequences=True")],
    Case('GRU(5, "selu", reset_after=False)', OPEN),
    Case('GRU(5, "selu", reset_after=False, use_bias=False)', OPEN),
    *[Case(f"{layer}(5, return_sequences=True)", ("float32[N, 1, 1]",)) for layer in LAYERS],
    *[Case(f"{layer}(5, return_sequences=True)", ("float32[1, T, 6]",)) for layer in LAYERS],
    *[Case(f"{layer}(5)", ("float32[2, 3, 6]",)) for layer in LAYERS],
    *[Case(f"{layer}(5)", ("int32[N, T, 6]",)) for layer in LAYERS],
    *[Case(f"{layer}(5)", ("float64[N, T, 6]",)) for layer in LAYERS],
    *[Case(f'{layer}(5, return_sequences=True, dtype="float64")', ("float64[N, T, 6]",)) for layer in LAYERS],
    # Keras rounds to float16 at every step, onnxruntime at the end of a run.
    *[Case(f'{layer}(5, dtype="float16")', OPEN, tolerance=1e-2) for layer in LAYERS],
    # States
    Case("SimpleRNN(5)", ONE, apply=FROM_ONE),
    Case("SimpleRNN(5, return_state=True)", OPEN, results=2),
    Case("SimpleRNN(5, return_sequences=True, return_state=True)", ONE, apply=FROM_ONE, results=2),
    Case("SimpleRNN(5, return_state=True, go_backwards=True)", ONE, apply=FROM_ONE, results=2),
    Case('SimpleRNN(5, "gelu", return_state=True)', ONE, apply=FROM_ONE, results=2),
    Case("GRU(5)", ONE, apply=FROM_ONE),
    Case("GRU(5)", ONE, apply=FROM_ONE, flow="(x0, initial_state=x1)"),
    Case("GRU(5, return_state=True)", OPEN, results=2),
    Case("GRU(5, return_sequences=True, return_state=True)", ONE, apply=FROM_ONE, results=2),
    Case("GRU(5, return_state=True, go_backwards=True)", ONE, apply=FROM_ONE, results=2),
    Case('GRU(5, "gelu", return_state=True)', ONE, apply=FROM_ONE, results=2),
    Case("GRU(5)", ("float32[N, T, 6]", "int32[N, 5]"), apply=FROM_ONE),
    Case("LSTM(5)", TWO, apply=FROM_TWO),
    Case("LSTM(5)", TWO, apply=FROM_TWO, flow="(x0, initial_state=[x1, x2])"),
    Case("LSTM(5, return_state=True)", OPEN, results=3),
    Case("LSTM(5, return_sequences=True, return_state=True)", TWO, apply=FROM_TWO, results=3),
    Case("LSTM(5, return_state=True, go_backwards=True)", TWO, apply=FROM_TWO, results=3),
    Case('LSTM(5, "gelu", return_state=True)', TWO, apply=FROM_TWO, results=3),
    Case('LSTM(5, return_state=True, dtype="float64")', TWO, apply=FROM_TWO, results=3),
    # Masks
    *[
        masked(f"{layer}(5{activation}{sequences}{backwards}{zeros})")
        for layer in LAYERS
        for activation in ("", ', "gelu"')
        for sequences in ("", ", return_sequences=True")
        for backwards in ("", ", go_backwards=True")
        for zeros in ("", ", zero_output_for_mask=True")
    ],
    *[masked(f"{layer}(5, return_sequences=True)", opset=opset) for layer in LAYERS for opset in (17, 24, 28)],
    *[masked(f'{layer}(5, return_sequences=True, dtype="float64")') for layer in LAYERS],
    *[
        masked(f"{layer}(5, {sequences}return_state=True)", results=2 + (layer == "LSTM"))
        for layer in LAYERS
        for sequences in ("", "return_sequences=True, ")
    ],
    *[
        Case(f"{layer}(5, return_sequences=True)", STEPS, before="Masking()", low=0, high=0)  # all masked
        for layer in LAYERS
    ],
    *[
        Case(
            f'{layer}(5{activation}, return_state=True{sequences})', ("int32[N, T]", *(("float32[N, 5]",) * states)),
            before=TABLE, low=0, high=1, results=1 + states, apply=FROM_ONE if states == 1 else FROM_TWO, sizes={"T": 2},
        )
        for layer, states in (("SimpleRNN", 1), ("GRU", 1), ("LSTM", 2))
        for activation in ("", ', "gelu"')
        for sequences in ("", ", return_sequences=True")
    ],
    *[
        Case(f"{layer}(5{more})", ("int32[2, 7]",), before=TABLE, low=0, high=2)
        for layer in LAYERS
        for more in ("", ", return_sequences=True, go_backwards=True")
    ],
    # Inside another
    *[Case(f"TimeDistributed({layer}(5{more}))", ("float32[N, 3, T, 6]",)) for layer in LAYERS for more in ("", ', "gelu"')],
    Case("TimeDistributed(Bidirectional(LSTM(5, return_sequences=True)))", ("float32[N, T, 4, 6]",)),
    Case("TimeDistributed(GRU(5, return_sequences=True))", ("float32[N, T, S, 6]",)),
    # Cells over time
    *each(
        """
        RNN(SimpleRNNCell(5))
        RNN(LSTMCell(5))
        RNN(GRUCell(5))
        RNN(cell=GRUCell(5, reset_after=False), return_sequences=True)
        RNN(LSTMCell(5), return_sequences=True, go_backwards=True)
        RNN(LSTMCell(5), go_backwards=True)
        RNN(LSTMCell(5, "gelu"), return_sequences=True)
        RNN(LSTMCell(5), unroll=True)
        RNN([LSTMCell(5)])
        RNN([LSTMCell(5), LSTMCell(4)])
        RNN([LSTMCell(5), GRUCell(4), SimpleRNNCell(3), LSTMCell(2)], return_sequences=True)
        RNN(StackedRNNCells([GRUCell(5), GRUCell(4, "gelu")]), return_sequences=True, go_backwards=True)
        RNN(StackedRNNCells(cells=[SimpleRNNCell(5), GRUCell(4)]))
        """,
        OPEN,
    ),
    Case('RNN(GRUCell(5, dtype="float64"))', OPEN),
    Case('RNN(GRUCell(5, dtype="float64"), dtype="float64")', ("float64[N, T, 6]",)),
    Case('RNN(GRUCell(5), dtype="float64")', ("float64[N, T, 6]",)),
    Case("RNN(GRUCell(5), return_state=True)", ONE, apply=FROM_ONE, results=2),
    Case("RNN(LSTMCell(5), return_state=True)", TWO, apply=FROM_TWO, results=3),
    Case("RNN(LSTMCell(5, 'gelu'), return_state=True)", TWO, apply=FROM_TWO, results=3),
    Case(
        "RNN([LSTMCell(5), GRUCell(4)], return_state=True)",
        (*TWO, "float32[N, 4]"),
        apply="(lambda y, a, b: (y, *a, *b))(*layer(x0, initial_state=[[x1, x2], [x3]]))",
        results=4,
    ),
    *[
        masked(f"RNN({cell}, return_sequences={sequences}{more})")
        for cell in ("LSTMCell(5)", '[GRUCell(5), LSTMCell(4, "gelu")]', "[SimpleRNNCell(5), LSTMCell(4)]")
        for sequences in (True, False)
        for more in ("", ", zero_output_for_mask=True", ", go_backwards=True")
    ],
    # One step
    Case("SimpleRNNCell(5)", CELL_ONE, apply=STEP_ONE, results=2),
    Case('SimpleRNNCell(5, "relu", False)', CELL_ONE, apply=STEP_ONE, results=2),
    Case('SimpleRNNCell(units=5, activation="gelu", use_bias=True)', CELL_ONE, apply=STEP_ONE, results=2),
    Case("SimpleRNNCell(5, dropout=0.2, recurrent_dropout=0.1)", CELL_ONE, apply=STEP_ONE, results=2),
    Case('SimpleRNNCell(5, dtype="float64")', CELL_ONE, apply=STEP_ONE, results=2),
    Case("GRUCell(5)", CELL_ONE, apply=STEP_ONE, results=2),
    Case('GRUCell(5, "relu", "hard_sigmoid", False)', CELL_ONE, apply=STEP_ONE, results=2),
    Case('GRUCell(units=5, activation="gelu", use_bias=True)', CELL_ONE, apply=STEP_ONE, results=2),
    Case('GRUCell(5, recurrent_activation="relu6")', CELL_ONE, apply=STEP_ONE, results=2, opset=17),
    Case("GRUCell(5, reset_after=False)", CELL_ONE, apply=STEP_ONE, results=2),
    Case("GRUCell(5, reset_after=False, use_bias=False)", CELL_ONE, apply=STEP_ONE, results=2),
    Case("GRUCell(5, dropout=0.2, recurrent_dropout=0.1)", CELL_ONE, apply=STEP_ONE, results=2),
    Case('GRUCell(5, dtype="float64")', CELL_ONE, apply=STEP_ONE, results=2),
    Case(
        "StackedRNNCells([LSTMCell(5), GRUCell(4)])",
        (*CELL_TWO, "float32[N, 4]"),
        apply="(lambda y, s: (y, *s[0], *s[1]))(*layer(x0, [[x1, x2], [x3]]))",
        results=4,
    ),
    Case("LSTMCell(5)", CELL_TWO, apply=STEP_TWO, results=3),
    Case("LSTMCell(5)", CELL_TWO, apply=STEP_TWO, results=3, flow="(x0, states=[x1, x2])"),
    Case('LSTMCell(5, "relu", "hard_sigmoid", False)', CELL_TWO, apply=STEP_TWO, results=3),
    Case('LSTMCell(units=5, activation="gelu", use_bias=True)', CELL_TWO, apply=STEP_TWO, results=3),
    Case('LSTMCell(5, recurrent_activation="relu6")', CELL_TWO, apply=STEP_TWO, results=3, opset=17),
    Case("LSTMCell(5, unit_forget_bias=False)", CELL_TWO, apply=STEP_TWO, results=3),
    Case("LSTMCell(5, dropout=0.2, recurrent_dropout=0.1)", CELL_TWO, apply=STEP_TWO, results=3),
    Case('LSTMCell(5, dtype="float64")', CELL_TWO, apply=STEP_TWO, results=3),
]  # fmt: skip

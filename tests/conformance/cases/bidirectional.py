"""Bidirectional: how results merge, layers of both ways, states, masks."""

from __future__ import annotations

from cases.recurrent import LAYERS, OPEN, STEPS, masked
from keras_harness import Case, each

MERGES = ('"sum"', '"mul"', '"concat"', '"ave"', "None")
STATES = ("float32[N, T, 6]", *(("float32[N, 5]",) * 4))

CASES = [
    *each(
        """
        Bidirectional(LSTM(5))
        Bidirectional(layer=LSTM(5))
        Bidirectional(LSTM(5), "sum")
        Bidirectional(LSTM(5, return_sequences=True))
        Bidirectional(GRU(1, return_sequences=True))
        Bidirectional(GRU(5, reset_after=False, use_bias=False, return_sequences=True))
        Bidirectional(GRU(5, "relu", "hard_sigmoid", return_sequences=True))
        Bidirectional(LSTM(5, "elu", "hard_sigmoid", return_sequences=True))
        Bidirectional(LSTM(5, "gelu"))
        Bidirectional(LSTM(5, "gelu", return_sequences=True))
        Bidirectional(SimpleRNN(5, "leaky_relu", return_sequences=True))
        Bidirectional(RNN(LSTMCell(5), return_sequences=True))
        Bidirectional(RNN([LSTMCell(5), GRUCell(4)], return_sequences=True))
        Bidirectional(RNN([LSTMCell(5), GRUCell(4)]))
        Bidirectional(LSTM(5), backward_layer=LSTM(4, go_backwards=True))
        Bidirectional(LSTM(5, return_sequences=True), backward_layer=GRU(4, return_sequences=True, go_backwards=True))
        Bidirectional(LSTM(5), "ave", backward_layer=LSTM(5, "relu", go_backwards=True))
        Bidirectional(LSTM(5, return_sequences=True, go_backwards=True), backward_layer=LSTM(5, return_sequences=True))
        Bidirectional(GRU(5, go_backwards=True), "mul", backward_layer=GRU(5))
        Bidirectional(LSTM(5, name="both", return_sequences=True))
        Bidirectional(LSTM(5, name="forward_both"))
        """,
        OPEN,
    ),
    *[
        Case(f"Bidirectional({layer}(5{more}), merge_mode={merge})", STEPS, results=2 if merge == "None" else 1)
        for layer in LAYERS
        for merge in MERGES
        for more in ("", ", return_sequences=True")
    ],
    *[
        Case(f'Bidirectional(GRU(5, "gelu", return_sequences=True), merge_mode={merge})', OPEN, results=1 + (merge == "None"))
        for merge in MERGES
    ],
    *[Case(f"Bidirectional({layer}(5, return_sequences=True))", OPEN, opset=o) for layer in LAYERS for o in (17, 24, 28)],
    Case("Bidirectional(LSTM(5), None, backward_layer=SimpleRNN(4, go_backwards=True))", OPEN, results=2),
    Case("Bidirectional(LSTM(5))", ("int32[N, T, 6]",)),
    Case("Bidirectional(LSTM(5, return_sequences=True))", ("float32[N, 1, 1]",)),
    Case('Bidirectional(GRU(5, return_sequences=True, dtype="float64"))', ("float64[N, T, 6]",)),
    # Keras rounds to float16 at every step, onnxruntime at the end of a run.
    Case('Bidirectional(GRU(5, return_sequences=True, dtype="float16"), dtype="float16")', OPEN, tolerance=1e-2),
    masked('Bidirectional(GRU(5, return_sequences=True, dtype="float64"))'),
    masked("Bidirectional(GRU(5, return_sequences=True))", opset=17),
    masked("Bidirectional(LSTM(5, return_sequences=True))", opset=28),
    Case('Bidirectional(GRU(5, dtype="float64"), dtype="float64")', ("float64[N, T, 6]",)),
    # States
    Case("Bidirectional(GRU(5, return_state=True))", OPEN, results=3),
    Case("Bidirectional(LSTM(5, return_sequences=True, return_state=True))", OPEN, results=5),
    Case("Bidirectional(LSTM(5, return_sequences=True, return_state=True), None)", OPEN, results=6),
    Case('Bidirectional(LSTM(5, "gelu", return_state=True), "sum")', OPEN, results=5),
    *[
        Case(
            f"Bidirectional({layer}(5, return_sequences={sequences}, return_state=True))", STATES[: 1 + 2 * states],
            results=1 + 2 * states, apply=f"layer(x0, initial_state=[{', '.join(f'x{i + 1}' for i in range(2 * states))}])",
        )
        for layer, states in (("SimpleRNN", 1), ("GRU", 1), ("LSTM", 2))
        for sequences in (True, False)
    ],
    # Masks
    *[
        masked(f"Bidirectional({layer}(5{activation}{sequences}), merge_mode={merge})", results=1 + (merge == "None"))
        for layer in LAYERS
        for activation in ("", ', "gelu"')
        for sequences in ("", ", return_sequences=True")
        for merge in ('"concat"', '"sum"', "None")
    ],
    masked("Bidirectional(RNN([LSTMCell(5), GRUCell(4)], return_sequences=True))"),
    masked("Bidirectional(RNN([LSTMCell(5), GRUCell(4)]))"),
    masked("Bidirectional(LSTM(5, return_sequences=True), backward_layer=GRU(4, return_sequences=True, go_backwards=True))"),
    masked("Bidirectional(LSTM(5, return_sequences=True, return_state=True))", results=5),
    masked("Bidirectional(LSTM(5, return_state=True))", results=5),
    *[
        Case(
            f"Bidirectional(GRU(5, return_sequences={sequences}, return_state=True))", ("int32[N, T]", *STATES[1:3]),
            before="Embedding(4, 6, mask_zero=True)", low=0, high=1, sizes={"T": 2}, results=3,
            apply="layer(x0, initial_state=[x1, x2])",
        )
        for sequences in (True, False)
    ],
]  # fmt: skip

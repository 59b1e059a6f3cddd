"""Recurrent layers against PyTorch's, whose gates stand in another order in GRU, and which have two biases everywhere."""

from __future__ import annotations

from cases.recurrent import ONE, OPEN, STEPS, TWO
from keras_harness import Case
from torch_harness import TorchCase

CASES: list[Case] = []


def plain(end: str = "_l0", at: str = "") -> dict[str, str]:
    """The state of nn.LSTM and nn.RNN, whose gates are in Keras' order: one bias, the other zeros."""
    return {
        f"weight_ih{end}": f"w['{at}kernel'].T",
        f"weight_hh{end}": f"w['{at}recurrent_kernel'].T",
        f"bias_ih{end}": f"w['{at}bias']",
        f"bias_hh{end}": f"0 * w['{at}bias']",
    }


def gru(units: int, end: str = "_l0", at: str = "") -> dict[str, str]:
    """The state of nn.GRU: reset, update, new for Keras' update, reset, new."""

    def turned(text: str) -> str:
        parts = (f"{units}:{2 * units}", f":{units}", f"{2 * units}:")
        return f"np.concatenate([{', '.join(f'{text}[..., {part}]' for part in parts)}], -1)"

    return {
        f"weight_ih{end}": turned(f"w['{at}kernel']") + ".T",
        f"weight_hh{end}": turned(f"w['{at}recurrent_kernel']") + ".T",
        f"bias_ih{end}": turned(f"w['{at}bias'][0]"),
        f"bias_hh{end}": turned(f"w['{at}bias'][1]"),
    }


def ways(layer: str) -> dict[str, str]:
    """The state of both directions."""
    found: dict[str, str] = {}
    for way, end in (("forward", "_l0"), ("backward", "_l0_reverse")):
        at = f"{way}_{layer}/"
        found |= gru(5, end, at) if layer == "gru" else plain(end, at)
    return found


def stack(cell: str) -> dict[str, str]:
    """The state of two layers, which are a stack of cells for us."""
    found: dict[str, str] = {}
    for number, end in enumerate(("_l0", "_l1")):
        at = f"stacked_rnn_cells/{cell}{'_1' if number else ''}/"
        found |= gru(5, end, at) if cell == "gru_cell" else plain(end, at)
    return found


LAST, ALL = "layer(x0)[0][:, -1]", "layer(x0)[0]"
MODULES = {
    "LSTM(5": ("nn.LSTM(6, 5, batch_first=True", plain(), "lstm"),
    "GRU(5": ("nn.GRU(6, 5, batch_first=True", gru(5), "gru"),
    "SimpleRNN(5": ("nn.RNN(6, 5, batch_first=True", plain(), "simple_rnn"),
    'SimpleRNN(5, "relu"': ("nn.RNN(6, 5, batch_first=True, nonlinearity='relu'", plain(), "simple_rnn"),
}
STATES_OF_TWO = "(lambda y, s: (y, s[0][0], s[1][0]))(*layer({}))"
STATES_OF_ONE = "(lambda y, h: (y, h[0]))(*layer({}))"

TORCH_CASES = [
    *[
        TorchCase(f"{call}, return_sequences={run is ALL})", inputs, module=f"{module})", state=state, run=run)
        for call, (module, state, _) in MODULES.items()
        for run in (LAST, ALL)
        for inputs in (STEPS, OPEN)
    ],
    *[
        TorchCase(
            f"Bidirectional({call}, return_sequences=True))", OPEN, module=f"{module}, bidirectional=True)",
            state=ways(name), run=ALL,
        )
        for call, (module, _, name) in MODULES.items()
    ],
    TorchCase(
        "LSTM(5, return_sequences=True, return_state=True)", TWO, module="nn.LSTM(6, 5, batch_first=True)",
        state=plain(), run=STATES_OF_TWO.format("x0, (x1[None], x2[None])"), results=3,
    ),
    TorchCase(
        "GRU(5, return_sequences=True, return_state=True)", ONE, module="nn.GRU(6, 5, batch_first=True)",
        state=gru(5), run=STATES_OF_ONE.format("x0, x1[None]"), results=2,
    ),
    TorchCase(
        "SimpleRNN(5, return_sequences=True, return_state=True)", ONE, module="nn.RNN(6, 5, batch_first=True)",
        state=plain(), run=STATES_OF_ONE.format("x0, x1[None]"), results=2,
    ),
    TorchCase(
        "Bidirectional(LSTM(5, return_sequences=True, return_state=True))", OPEN, results=5, state=ways("lstm"),
        module="nn.LSTM(6, 5, batch_first=True, bidirectional=True)",
        run="(lambda y, s: (y, s[0][0], s[1][0], s[0][1], s[1][1]))(*layer(x0))",
    ),
    *[
        TorchCase(
            f"RNN([{cell}(5), {cell}(5)], return_sequences=True)", OPEN,
            module=f"nn.{module}(6, 5, num_layers=2, batch_first=True)", state=stack(name), run=ALL,
        )
        for cell, module, name in (
            ("LSTMCell", "LSTM", "lstm_cell"), ("GRUCell", "GRU", "gru_cell"), ("SimpleRNNCell", "RNN", "simple_rnn_cell"),
        )
    ],
    TorchCase(
        "LSTMCell(5)", ("float32[N, 6]", "float32[N, 5]", "float32[N, 5]"), module="nn.LSTMCell(6, 5)", results=3,
        state=plain(""), run="(lambda h, c: (h, h, c))(*layer(x0, (x1, x2)))",
    ),
    TorchCase(
        "GRUCell(5)", ("float32[N, 6]", "float32[N, 5]"), module="nn.GRUCell(6, 5)", state=gru(5, ""), results=2,
        run="(lambda h: (h, h))(layer(x0, x1))",
    ),
    TorchCase(
        'SimpleRNNCell(5, "relu")', ("float32[N, 6]", "float32[N, 5]"), module="nn.RNNCell(6, 5, nonlinearity='relu')",
        state=plain(""), results=2, run="(lambda h: (h, h))(layer(x0, x1))",
    ),
]  # fmt: skip

"""Signals to frequencies over time."""

from __future__ import annotations

from keras_harness import Case

SOUND = ("float32[N, 64, 2]",)
OPEN = ("float32[N, T, 2]",)
FIRST = ("float32[N, 2, T]",)
SIZES = {"T": 50}
AGAIN = {"T": 83}
# TensorFlow convolves channels-first on some processors only: Keras is given the channels last, and turned.
_OPS = "__import__('keras').ops"
TURNED = f"{_OPS}.transpose(layer({_OPS}.transpose(x0, (0, 2, 1))), (0, 2, 1))"
TURNED_WIDE = f"{_OPS}.transpose(layer({_OPS}.transpose(x0, (0, 2, 1))), (0, 3, 1, 2))"

LINE = ("float32[N, 700]",)
OPEN_LINE = ("float32[N, T]",)
LONG = {"T": 600}
LONGER = {"T": 977}


def _mel(arguments: str, inputs: tuple[str, ...] = LINE, **options: object) -> Case:
    return Case(f"MelSpectrogram({arguments})", inputs, **options)  # type: ignore[arg-type]


def _stft(arguments: str, inputs: tuple[str, ...] = SOUND, windowed: str = "", **options: object) -> Case:
    """Keras' named windows need scipy. What a window does is in the waves, and those are drawn and given to both sides."""
    theirs = f"STFTSpectrogram({arguments}, window=None)"
    ours = f"STFTSpectrogram({arguments}, {windowed})" if windowed else theirs
    return Case(ours, inputs, theirs=theirs, **options)  # type: ignore[arg-type]


CASES = [
    *(
        _stft(f'"{mode}", 16, {arguments}')
        for mode in ("log", "magnitude", "psd", "real", "imag", "angle", "stft")
        for arguments in ("5", "16, expand_dims=True", '7, 32, padding="same"')
    ),
    *(
        _stft(f'"{mode}", 15, 6, 16, padding="{padding}"', OPEN, sizes=SIZES, again=AGAIN, opset=opset)
        for mode in ("log", "stft")
        for padding in ("valid", "same")
        for opset in (None, 17, 24)
    ),
    _stft("frame_length=20"),
    _stft("frame_length=2"),
    _stft("frame_length=20", windowed='window="hann"'),
    _stft('"magnitude", 16', windowed='window="hamming", periodic=True, scaling="spectrum"'),
    _stft('"psd", 16', windowed='window="boxcar", scaling=None'),
    _stft('"magnitude", 4', windowed="window=[0.5, 1.0, 2.0, 0.25]"),
    _stft('"log", 20, 3, dtype="float64"'),
    _stft('"stft", 20, 20, padding="same", dtype="float64"'),
    _stft('"stft", 20, 20, dtype="float16"', tolerance=2e-3),
    _stft('"real", 16', ("float64[N, 64, 1]",)),
    _stft('"real", 16', ("float16[N, 64, 1]",)),
    Case('STFTSpectrogram("magnitude", 16, 8, 16, None, False, None, "valid", False, "channels_last")', SOUND),
    Case(
        'STFTSpectrogram("psd", 16, data_format="channels_first")',
        FIRST,
        theirs='STFTSpectrogram("psd", 16, window=None)',
        apply=TURNED,
        sizes=SIZES,
        again=AGAIN,
    ),
    Case(
        'STFTSpectrogram("stft", 16, expand_dims=True, data_format="channels_first")',
        FIRST,
        theirs='STFTSpectrogram("stft", 16, expand_dims=True, window=None)',
        apply=TURNED_WIDE,
        sizes=SIZES,
        again=AGAIN,
    ),
    _mel("", ("float32[N, 9000]",)),
    _mel("256, 64, num_mel_bins=20"),
    _mel("256, 64, 200, num_mel_bins=20"),
    _mel("200, 50, 101, num_mel_bins=20"),
    _mel("201, 50, num_mel_bins=20"),
    _mel('256, 64, None, "hamming", 8000, 20, 100, 3000, False, 80, 2, 1e-10, 1'),
    _mel("256, 64, window=None, num_mel_bins=20, power_to_db=False"),
    _mel(f"16, 4, window={[0.1 * k for k in range(16)]}, num_mel_bins=4, power_to_db=False", ("float32[N, 64]",)),
    _mel("256, 64, num_mel_bins=20, mag_exp=1, power_to_db=False"),
    _mel("256, 64, num_mel_bins=20, mag_exp=1.5, power_to_db=False"),
    _mel("256, 64, num_mel_bins=20, top_db=20, ref_power=5"),
    _mel("256, 64, num_mel_bins=20, top_db=-3, ref_power=-0.5, min_power=0.1"),
    _mel("256, 64, num_mel_bins=20, sampling_rate=44100, max_freq=8000.0, min_freq=0"),
    _mel("num_mel_bins=64, sequence_stride=400", ("float32[N, 3000]",)),
    _mel(
        "1024, 300, 800, num_mel_bins=40, power_to_db=False", ("float32[N, T]",), sizes={"T": 1500}, again={"T": 1801}
    ),
    *(
        _mel(f"{length}, 50, num_mel_bins=20", OPEN_LINE, sizes=LONG, again=LONGER, opset=opset)
        for length in (200, 1024)
        for opset in (None, 17, 24)
    ),
    _mel("256, 64, num_mel_bins=20", ("float32[700]",)),
    _mel("256, 64, num_mel_bins=20", ("int32[N, 700]",), high=99),
    # Keras takes no decibels in float64: its reference is float32.
    _mel('256, 64, num_mel_bins=20, power_to_db=False, dtype="float64"', ("float64[N, 700]",)),
    _mel('200, 64, num_mel_bins=20, power_to_db=False, dtype="float64"', OPEN_LINE, sizes=LONG, again=LONGER),
    _mel('256, 64, num_mel_bins=20, dtype="float16"', LINE, tolerance=2e-3),
]

"""TensorBoard's event files, read back by TensorFlow's own reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archonnx.compiler.keras.training.events import EpochLog, masked_crc
from archonnx.compiler.keras.training.history import Epoch


def test_the_checksum_is_the_published_one() -> None:
    # CRC-32C of "123456789" is 0xe3069283.
    crc = 0xE3069283
    assert int.from_bytes(masked_crc(b"123456789"), "little") == ((crc >> 15 | crc << 17) + 0xA282EAD8) % (1 << 32)


def test_epochs_read_back_in_tensorflow(tmp_path: Path) -> None:
    from tensorflow.python.summary.summary_iterator import summary_iterator

    values = [
        {"loss": 2.5, "accuracy": 0.25, "val_loss": 3.0, "val_accuracy": 0.125},
        {"loss": 1e300, "accuracy": 0.5, "val_loss": 1 / 3, "val_accuracy": 0.75},
    ]
    with EpochLog(tmp_path / "logs" / "run") as log:
        for number, one in enumerate(values, 1):
            log.write(Epoch(number, one, 1.0))
            files = list((tmp_path / "logs" / "run" / "train").iterdir())
            assert len(list(summary_iterator(str(files[0])))) == 1 + number  # there while the training goes on
    for part, prefix in (("train", ""), ("validation", "val_")):
        (file,) = (tmp_path / "logs" / "run" / part).iterdir()
        assert ".tfevents." in file.name
        first, *events = summary_iterator(str(file))
        assert first.file_version == "brain.Event:2"
        assert [event.step for event in events] == [0, 1]
        assert events[0].wall_time >= first.wall_time > 1.6e9
        with np.errstate(over="ignore"):
            for event, one in zip(events, values, strict=True):
                found = {value.tag: value.simple_value for value in event.summary.value}
                assert found == {f"epoch_{key}": np.float32(one[prefix + key]) for key in ("loss", "accuracy")}


def test_without_validation_there_is_one_folder(tmp_path: Path) -> None:
    with EpochLog(tmp_path) as log:
        log.write(Epoch(1, {"loss": 1.0}, 1.0))
    assert [folder.name for folder in tmp_path.iterdir()] == ["train"]

"""Energy, from a folder like the one of Linux."""

from __future__ import annotations

from pathlib import Path

import pytest

from archonnx.runtime.measuring.energy import Meter


def zone(folder: Path, name: str, count: int, most: int) -> Path:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "energy_uj").write_text(f"{count}\n")
    (folder / name / "max_energy_range_uj").write_text(f"{most}\n")
    return folder / name / "energy_uj"


def test_packages_are_added_and_what_is_inside_them_is_not(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", 1_000_000, 9_999_999)
    second = zone(tmp_path, "intel-rapl:1", 9_000_000, 9_999_999)
    zone(tmp_path, "intel-rapl:0:0", 5, 9)
    meter = Meter(tmp_path)
    before = meter.read()
    first.write_text("3500000")
    second.write_text("500000")  # it began anew at ten joules
    assert before == (1_000_000, 9_000_000)
    assert meter.joules(before, meter.read()) == pytest.approx(2.5 + 1.5)
    assert meter.reason is None


def test_a_machine_that_does_not_tell_says_why(tmp_path: Path) -> None:
    meter = Meter(tmp_path)
    assert meter.joules(meter.read(), meter.read()) is None
    assert "this machine has no counter of it" in (meter.reason or "")
    (tmp_path / "intel-rapl:0").mkdir()
    assert "intel-rapl:0 cannot be read" in (Meter(tmp_path).reason or "")
    zone(tmp_path, "intel-rapl:0", 1, 2).write_text("much")
    assert "cannot be read" in (Meter(tmp_path).reason or "")


def test_counters_of_the_superuser_are_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(tmp_path, "intel-rapl:0", 1, 2)

    def refused(self: Path) -> str:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_text", refused)
    meter = Meter(tmp_path)
    assert "only the superuser may read it: sudo chmod" in (meter.reason or "")
    assert meter.read() == ()

"""The energy that the processor took, where the machine tells it: Linux's powercap, which Intel and AMD feed (RAPL)."""

from __future__ import annotations

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


class Meter:
    """Counts joules of all processor packages together. reason: why it does not, where it does not."""

    def __init__(self, folder: Path = POWERCAP) -> None:
        self.reason: str | None = None
        self._zones: list[tuple[Path, int]] = []  # each counter, and the microjoules at which it begins anew
        found = sorted(zone for zone in folder.glob("intel-rapl:*") if zone.name.count(":") == 1)
        if not found:
            self.reason = f"this machine has no counter of it ({folder}/intel-rapl:0)"
        try:
            for zone in found:
                counter = zone / "energy_uj"
                int(counter.read_text())
                self._zones.append((counter, int((zone / "max_energy_range_uj").read_text())))
        except PermissionError:
            self.reason = f"only the superuser may read it: sudo chmod a+r {folder}/intel-rapl:*/energy_uj"
        except (OSError, ValueError) as error:
            self.reason = f"{zone} cannot be read: {error}"
        if self.reason is not None:
            self._zones = []

    def read(self) -> tuple[int, ...]:
        """The counters, microjoules, one a package; none where there is no energy to tell."""
        return tuple(int(counter.read_text()) for counter, _ in self._zones)

    def joules(self, before: tuple[int, ...], after: tuple[int, ...]) -> float | None:
        """What was taken between two readings, less than a counter's whole range apart."""
        if not self._zones:
            return None
        spans = zip(before, after, self._zones, strict=True)
        return sum((end - begin) % (most + 1) for begin, end, (_, most) in spans) / 1e6

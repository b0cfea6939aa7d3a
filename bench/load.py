"""How much of the machine others took while something was measured: figures from a shared machine mislead."""

import os
import time
from pathlib import Path

LIMIT = 0.05  # of the cores; above it a row is marked, and says little


class Others:
    """The share of all cores that neither this process nor ``pids`` used since this object was made; Linux only."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = [os.getpid(), *pids]
        self._before = self._read()

    def share(self) -> float | None:
        """0 … 1, what a hypervisor took (steal) included; None where the system does not tell."""
        now = self._read()
        if now is None or self._before is None:
            return None
        elapsed, busy = (after - before for after, before in zip(now, self._before, strict=True))
        return round(max(0.0, busy / (elapsed * (os.cpu_count() or 1))), 3)

    def _read(self) -> tuple[float, float] | None:
        """Seconds by the clock, and seconds of processor time that were others'."""
        try:
            # user, nice, system, idle, iowait, irq, softirq, steal
            ticks = [int(word) for word in Path("/proc/stat").read_text(encoding="ascii").split("\n")[0].split()[1:9]]
            own = 0
            for pid in self._pids:
                fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                own += int(fields[11]) + int(fields[12])
        except (OSError, ValueError, IndexError):
            return None
        busy = sum(ticks) - ticks[3] - ticks[4]
        return time.monotonic(), (busy - own) / os.sysconf("SC_CLK_TCK")

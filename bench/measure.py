"""CPU time and memory of a process, as the kernel counts them.

The total is the scheduler's own count in nanoseconds (`/proc/PID/task/*/schedstat`), which no tick makes coarse. It is
split into user and system by `utime` and `stime` of `/proc/PID/stat`, 10 ms each, over some seconds.
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds, since the process began or between two looks."""

    user: float
    system: float
    total: float

    def __sub__(self, before: "Cpu") -> "Cpu":
        user, system, total = self.user - before.user, self.system - before.system, self.total - before.total
        ticks = user + system
        share = user / ticks if ticks else 0.0
        return Cpu(total * share, total * (1 - share), total)


def cpu_of(pid: int) -> Cpu:
    """Look at a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    total = sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return Cpu(int(fields[11]) / tick, int(fields[12]) / tick, total / 1e9)


def resident_kib(pid: int) -> int:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))

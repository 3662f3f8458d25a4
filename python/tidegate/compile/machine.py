"""Defaults that depend on the machine: how many threads serve, and how many connections may be open."""

import os
import resource
from pathlib import Path

SPARE_DESCRIPTORS = 256
"""For listening sockets, logs, the control socket and Python itself."""
MOST_SOCKETS = 64
"""Listening sockets of one address: one for each CPU of the machine, and no more than these."""


def threads(root: Path = Path("/")) -> int:
    """Count the CPUs that this process may use: by its affinity, and by the quota of its cgroup, rounded up."""
    allowed = len(os.sched_getaffinity(0))
    quota = cgroup_cpus(root)
    return max(1, min(allowed, -(-quota // 1000)) if quota else allowed)


def cgroup_cpus(root: Path = Path("/")) -> int | None:
    """Read the CPU quota of this process's cgroup in thousandths of a CPU; none where there is no quota.

    A quota holds for all cgroups below it, so the least on the way up counts (cgroup v2, `cpu.max`; v1, `cpu.cfs_*`).
    """
    least: int | None = None
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and controllers == "":
            mount, files = root / "sys/fs/cgroup", ["cpu.max"]
        elif "cpu" in controllers.split(","):
            mount, files = root / "sys/fs/cgroup/cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts), -1, -1):
            folder = mount.joinpath(*parts[:depth])
            words = " ".join(_read(folder / file).strip() for file in files).split()
            if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]) > 0:
                share = max(1, int(words[0]) * 1000 // int(words[1]))
                least = share if least is None else min(least, share)
    return least


def sockets() -> int:
    """Count the listening sockets of one TCP address: fixed for its life, so that threads can change in number."""
    return max(1, min(os.cpu_count() or 1, MOST_SOCKETS))


def connections(hard_limit: int | None = None) -> int:
    """Resolve `limits.connections: auto`: (hard file limit - 256) / 2, since an exchange needs two descriptors.

    The soft limit is raised to the hard one before anything is served. 0, no limit, where the kernel sets none.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1] if hard_limit is None else hard_limit
    if hard == resource.RLIM_INFINITY or hard < 0:
        return 0
    return max(1, (hard - SPARE_DESCRIPTORS) // 2)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

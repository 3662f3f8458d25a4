"""Defaults of the machine: CPUs by affinity and cgroup, connections by the file limit."""

import os
import resource
from pathlib import Path

import pytest

from tidegate.compile import machine


def cgroups(root: Path, where: str, **files: str) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(where)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("cpu_max", "cpu.max")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("where", "files", "thousandths"),
    [
        ("0::/\n", {"cpu_max": "max 100000\n"}, None),
        ("0::/\n", {"cpu_max": "150000 100000\n"}, 1500),
        ("0::/a/b\n", {"a__b__cpu_max": "max 100000\n", "a__cpu_max": "50000 100000\n"}, 500),
        ("0::/a/b\n", {"a__b__cpu_max": "200000 100000\n", "a__cpu_max": "400000 100000\n"}, 2000),
        ("0::/a\n", {}, None),
        ("0::/../x\n", {"cpu_max": "100000 100000"}, 1000),
        ("0::/\n", {"cpu_max": "junk"}, None),
        ("", {}, None),
        ("4:cpu,cpuacct:/\n", {"cpu__cpu.cfs_quota_us": "300000", "cpu__cpu.cfs_period_us": "100000"}, 3000),
        ("4:cpu,cpuacct:/\n", {"cpu__cpu.cfs_quota_us": "-1", "cpu__cpu.cfs_period_us": "100000"}, None),
    ],
)
def test_the_least_quota_on_the_way_up_counts(
    tmp_path: Path, where: str, files: dict[str, str], thousandths: int | None
) -> None:
    assert machine.cgroup_cpus(cgroups(tmp_path, where, **files)) == thousandths


def test_a_part_of_a_cpu_is_a_thread(tmp_path: Path) -> None:
    assert machine.threads(cgroups(tmp_path, "0::/\n", cpu_max="10000 100000")) == 1


def test_without_a_quota_each_allowed_cpu_is_a_thread(tmp_path: Path) -> None:
    assert machine.threads(tmp_path) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("hard", "connections"), [(1_048_576, 524_160), (1_024, 384), (100, 1), (resource.RLIM_INFINITY, 0)]
)
def test_an_exchange_needs_two_descriptors(hard: int, connections: int) -> None:
    assert machine.connections(hard) == connections


def test_an_address_has_at_most_64_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 192)
    assert machine.sockets() == 64

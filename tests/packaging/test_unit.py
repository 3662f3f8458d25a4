"""The systemd units say what the design counts on."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "packaging"


def read(name: str) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNITS / name)
    return unit


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd to ask")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    program = "/opt/tidegate/bin/tidegate"
    for name in ("tidegate.service", "tidegate.socket"):
        text = (UNITS / name).read_text()
        assert (program in text) == (name == "tidegate.service")
        (tmp_path / name).write_text(text.replace(program, sys.executable))  # one that is there
    words = ["systemd-analyze", "verify", "--man=no", "tidegate.service", "tidegate.socket"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_worker_outlives_its_supervisor() -> None:
    service = read("tidegate.service")["Service"]
    assert service["KillMode"] == "process"
    assert service["Type"] == "notify"
    assert service["LimitCORE"] == "0"


def test_ending_takes_longer_than_draining() -> None:
    assert read("tidegate.service")["Service"]["TimeoutStopSec"] == "60s"  # `drain.timeout` is 25 s by default


def test_the_socket_waits_in_the_same_queue() -> None:
    assert "ListenStream" in read("tidegate.socket")["Socket"]

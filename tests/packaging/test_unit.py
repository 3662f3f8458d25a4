"""The systemd units say what the design counts on."""

import configparser
from pathlib import Path

UNITS = Path(__file__).parents[2] / "packaging"


def read(name: str) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNITS / name)
    return unit


def test_the_worker_outlives_its_supervisor() -> None:
    service = read("tidegate.service")["Service"]
    assert service["KillMode"] == "process"
    assert service["Type"] == "notify"
    assert service["LimitCORE"] == "0"


def test_ending_takes_longer_than_draining() -> None:
    assert read("tidegate.service")["Service"]["TimeoutStopSec"] == "60s"  # `drain.timeout` is 25 s by default


def test_the_socket_waits_in_the_same_queue() -> None:
    assert "ListenStream" in read("tidegate.socket")["Socket"]

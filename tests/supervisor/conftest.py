"""Instances whose worker is the small one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.peers.process import Process
from tests.peers.sockets import Client
from tests.peers.tidegate import read_ready

LAUNCH = [sys.executable, "-m", "tests.supervisor.launch"]
ROOT = Path(__file__).parents[2]


class Small:
    """One instance in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "tidegate.yaml"
        self.state = folder / "state"
        self.control = folder / "control.sock"
        self.supervisors: list[Process] = []
        self.workers: set[int] = set()
        self.addresses: dict[str, str] = {}

    def write(self, **keys: Any) -> "Small":
        """Write the configuration: one listener and one upstream, but for `keys`."""
        config = {
            "threads": 1,
            "state": str(self.state),
            "drain": {"timeout": "1s"},  # the small worker ends only when asked for less than the default
            "listeners": {"web": {"bind": "127.0.0.1:0"}},
            "routes": [{"name": "all", "to": "api"}],
            "upstreams": {"api": {"endpoints": ["127.0.0.1:9"]}},
            **keys,
        }
        self.path.write_text(json.dumps(config))
        return self

    def start(self, *options: str, environment: dict[str, str] | None = None) -> "Small":
        """Start it, or its supervisor again, and wait for `ready`."""
        words = [*LAUNCH, "run", self.path, "--socket", self.control, *options]
        self.supervisors.append(Process(words, environment=environment, folder=ROOT))
        self.addresses = read_ready(self.process.wait_for_line(r"^ready: "))
        _ = self.worker
        return self

    @property
    def process(self) -> Process:
        """The supervisor that was started last."""
        return self.supervisors[-1]

    @property
    def worker(self) -> int:
        """The worker's process ID."""
        pid = int(json.loads((self.state / "worker.json").read_text())["pid"])
        self.workers.add(pid)
        return pid

    def get(self, listener: str = "web") -> int:
        """Ask; the answer is the process ID of the worker that served."""
        with Client(self.addresses[listener]) as client:
            return int(client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").body)

    def call(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command against it."""
        command = [*LAUNCH, *words, "--socket", str(self.control)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)

    def status(self) -> dict[str, Any]:
        """What `status --json` prints."""
        done = self.call("status", "--json")
        assert done.returncode == 0, done.stderr
        status: dict[str, Any] = json.loads(done.stdout)
        return status

    def wait_for(self, pattern: str) -> str:
        """Wait for a line of its log."""
        return self.process.wait_for_line(pattern)

    def end(self) -> None:
        """End all of it."""
        with suppress(OSError, ValueError):
            _ = self.worker
        for each in self.supervisors:
            if each.popen.poll() is None:
                each.send(signal.SIGKILL)  # the small worker drains as long as it may
            each.end(within_s=5)
            print(each)
        for pid in self.workers:
            with suppress(OSError):
                if b"small_worker.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Callable[[], Small]]:
    """`small()` makes an instance that is not started yet."""
    made: list[Small] = []

    def make() -> Small:
        folder = tmp_path / f"small-{len(made)}"
        folder.mkdir()
        made.append(Small(folder))
        return made[-1]

    yield make
    for each in made:
        each.end()

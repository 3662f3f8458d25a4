"""Tidegate itself, as a user runs it: `tidegate run CONFIG`, its `ready` line, its commands."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.peers.process import Process
from tests.peers.sockets import Client

COMMAND = [sys.executable, "-m", "tidegate"]
Config = dict[str, Any]


def upstream(addresses: str | Iterable[Any], **listener: Any) -> Config:
    """A configuration with the listener `web`, and the upstream `api` for all requests."""
    endpoints = [addresses] if isinstance(addresses, str) else list(addresses)
    return {
        "listeners": {"web": {"bind": "127.0.0.1:0", **listener}},
        "routes": [{"name": "all", "to": "api"}],
        "upstreams": {"api": {"endpoints": endpoints}},
    }


class Running:
    """One instance. It has all of its files in `folder`."""

    def __init__(self, folder: Path, config: Config | str, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.path = folder / "tidegate.yaml"
        self.socket = folder / "control.sock"
        self.state = folder / "state"
        self.environment = environment
        self.command = COMMAND
        self.descriptors: Sequence[int] = ()
        self.supervisors: list[Process] = []
        self.addresses: dict[str, str] = {}
        self.write(config)

    def write(self, config: Config | str) -> None:
        """Write the configuration; a `reload` makes it count."""
        if not isinstance(config, str):
            config = json.dumps({"threads": 2, "state": str(self.state), **config}, indent=1)
        self.path.write_text(config)

    def start(self, *options: str, within_s: float = 20) -> "Running":
        """Start it, or start its supervisor again, and wait for the `ready` line."""
        words = [*self.command, "run", self.path, "--socket", self.socket, *options]
        process = Process(words, environment=self.environment, descriptors=self.descriptors)
        self.supervisors.append(process)
        self.addresses = read_ready(process.wait_for_line(r"\bready\b", within_s=within_s))
        return self

    @property
    def supervisor(self) -> Process:
        """The supervisor that was started last."""
        return self.supervisors[-1]

    @property
    def worker_pid(self) -> int:
        """The process ID of the worker, as the state folder has it."""
        return int(json.loads((self.state / "worker.json").read_text())["pid"])

    def address(self, listener: str = "web") -> str:
        """Where a listener accepts, from the `ready` line."""
        return self.addresses[listener]

    @property
    def url(self) -> str:
        """The listener `web`, as a URL without a path."""
        return f"http://{self.address()}"

    def connect(self, listener: str = "web", **options: Any) -> Client:
        """A connection to a listener."""
        return Client(self.address(listener), **options)

    def call(self, command: str, *options: str, within_s: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a command against this instance, as `call("status", "--json")`."""
        words = [*COMMAND, command, *options, "--socket", str(self.socket)]
        return subprocess.run(words, capture_output=True, text=True, timeout=within_s, check=False)

    def reload(self, config: Config | str | None = None, within_s: float = 30) -> None:
        """Write the configuration, if one is given, and reload; every thread serves it when this returns."""
        if config is not None:
            self.write(config)
        done = self.call("reload", within_s=within_s)
        assert done.returncode == 0, done.stderr

    def status(self) -> dict[str, Any]:
        """What `tidegate status --json` prints."""
        done = self.call("status", "--json")
        assert done.returncode == 0, done.stderr
        status: dict[str, Any] = json.loads(done.stdout)
        return status

    def stop(self, within_s: float = 40) -> int:
        """SIGTERM: drain, then end. Returns the exit code."""
        self.supervisor.send(signal.SIGTERM)
        return self.supervisor.wait(within_s)

    def kill_supervisor(self) -> None:
        """SIGKILL for the supervisor alone; the worker goes on."""
        self.supervisor.send(signal.SIGKILL)
        self.supervisor.wait()

    def end(self) -> None:
        """End all of it, whatever state it is in, and print what it said."""
        try:
            worker = self.worker_pid
            still_ours = str(self.folder) in Path(f"/proc/{worker}/environ").read_text(errors="replace") or any(
                os.getpgid(worker) == each.pid for each in self.supervisors
            )
        except (OSError, ValueError, KeyError):
            still_ours = False
        for each in self.supervisors:
            each.end(within_s=5)
        if still_ours:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        for each in self.supervisors:
            print(each)


def read_ready(line: str) -> dict[str, str]:
    """Take the addresses out of the `ready` line, which has them as `web=127.0.0.1:40123`, the first of each name."""
    found: dict[str, str] = {}
    for name, address in re.findall(r"([\w.-]+)=((?:\[[0-9a-f:.]+\]|[0-9.]+):\d+|unix:[^\s,]+)", line):
        found.setdefault(name, address)
    return found


class Tidegate:
    """Starts instances, and ends them with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Running] = []

    def prepare(self, config: Config | str, environment: dict[str, str] | None = None) -> Running:
        """An instance that is not started yet."""
        folder = self.folder / f"tidegate-{len(self.started)}"
        folder.mkdir()
        self.started.append(Running(folder, config, environment))
        return self.started[-1]

    def run(self, config: Config | str, *options: str, environment: dict[str, str] | None = None) -> Running:
        """Start an instance and wait until it is ready."""
        return self.prepare(config, environment).start(*options)

    def end(self) -> None:
        """End all that were started."""
        for each in self.started:
            each.end()

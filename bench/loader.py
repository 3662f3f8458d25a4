"""Load: wrk or h2load on the loader's core, idle connections, and the system calls that a proxy makes meanwhile."""

import re
import signal
import socket
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cases import Case
from bench.measure import Cpu, cpu_of, resident_kib
from bench.peers import LOADER_CORE, Peer

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class Result:
    """One round, or the medians of many."""

    user_us: float = 0.0  # a request
    system_us: float = 0.0
    per_second: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    megabytes_per_cpu_s: float = 0.0
    idle_kib: float = 0.0  # a connection
    failures: int = 0

    @property
    def total_us(self) -> float:
        """CPU microseconds a request."""
        return self.user_us + self.system_us


def median(results: list[Result]) -> Result:
    """Each figure's median; failures are added up."""
    names = [name for name in Result.__slots__ if name != "failures"]
    middle = {name: statistics.median(getattr(each, name) for each in results) for name in names}
    return Result(**middle, failures=sum(each.failures for each in results))


def run_load(case: Case, peer: Peer, seconds: float, folder: Path) -> Result:
    """Load one proxy for some seconds."""
    return run_h2load(case, peer, seconds) if case.streams else run_wrk(case, peer, seconds, folder)


def run_h2load(case: Case, peer: Peer, seconds: float) -> Result:
    """Load one proxy by HTTP/2: h2load tells no percentiles."""
    words = ["taskset", "-c", LOADER_CORE, "h2load", "-t1", f"-c{case.connections}", f"-m{case.streams}"]
    words += [f"--duration={max(1, round(seconds))}", f"http://{peer.address}{case.path}"]
    before = cpu_of(peer.worker)
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return read_h2load(done.stdout, cpu_of(peer.worker) - before)


def read_h2load(text: str, cpu: Cpu) -> Result:
    """Take the figures out of what h2load prints."""
    requests = int(find(r"status codes: (\d+) 2xx", text))
    if requests == 0:
        raise RuntimeError(f"not one request went through:\n{text}")
    return Result(
        user_us=cpu.user / requests * 1e6,
        system_us=cpu.system / requests * 1e6,
        per_second=float(find(r"finished in [^,]+, ([\d.]+) req/s", text)),
        megabytes_per_cpu_s=int(find(r"\((\d+)\) data", text)) / 2**20 / cpu.total,
        failures=int(find(r"(\d+) failed", text)),
    )


def run_wrk(case: Case, peer: Peer, seconds: float, folder: Path) -> Result:
    """Load one proxy by HTTP/1."""
    words = ["taskset", "-c", LOADER_CORE, "wrk", "-t1", f"-c{case.connections}", f"-d{max(1, round(seconds))}s"]
    words += ["--latency", "--timeout", "30s"]
    if case.script:
        (folder / "wrk.lua").write_text(case.script)
        words += ["-s", str(folder / "wrk.lua")]
    for field in case.fields:
        words += ["-H", field]
    before = cpu_of(peer.worker)
    done = subprocess.run([*words, f"http://{peer.address}{case.path}"], capture_output=True, text=True, check=True)
    return read_wrk(done.stdout, cpu_of(peer.worker) - before)


def read_wrk(text: str, cpu: Cpu) -> Result:
    """Take the figures out of what wrk prints."""
    requests = int(find(r"(\d+) requests in", text))
    if requests == 0:
        raise RuntimeError(f"not one request went through:\n{text}")
    took = seconds_of(find(r"requests in ([\d.]+\w+),", text))
    amount, unit = re.search(r"([\d.]+)([KMG]?B) read", text).groups()  # type: ignore[union-attr]
    megabytes = float(amount) * {"B": 1 / 2**20, "KB": 1 / 2**10, "MB": 1.0, "GB": 2.0**10}[unit]
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return Result(
        user_us=cpu.user / requests * 1e6,
        system_us=cpu.system / requests * 1e6,
        per_second=requests / took,
        p50_ms=seconds_of(find(r"\n +50%\s+(\S+)", text)) * 1e3,
        p99_ms=seconds_of(find(r"\n +99%\s+(\S+)", text)) * 1e3,
        megabytes_per_cpu_s=megabytes / cpu.total,
        failures=(int(bad[1]) if bad else 0) + (sum(map(int, broken.groups())) if broken else 0),
    )


def find(pattern: str, text: str) -> str:
    """The one group of a pattern that must be there."""
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"the loader printed nothing like {pattern!r}:\n{text}")
    return found[1]


def seconds_of(text: str) -> float:
    """`1.25ms` in seconds."""
    found = re.fullmatch(r"(-?[\d.]+)([a-z]+)", text)
    if found is None:
        raise RuntimeError(f"no time: {text!r}")
    number, unit = found.groups()
    return float(number) * UNITS[unit]


def hold_idle(case: Case, peer: Peer) -> Result:
    """Open connections, ask once over each, keep all of them open, and see what the worker's memory grew by."""
    host, port = peer.address.split(":")
    request = f"GET {case.path} HTTP/1.1\r\nHost: {peer.address}\r\n\r\n".encode()
    before = resident_kib(peer.worker)
    held: list[socket.socket] = []
    try:
        for _ in range(case.connections):
            sock = socket.create_connection((host, int(port)), timeout=10)
            held.append(sock)
            sock.sendall(request)
            received = b""
            while len(received.partition(b"\r\n\r\n")[2]) < 1024:
                data = sock.recv(65536)
                if not data:
                    raise RuntimeError(f"{peer.name} closed connection {len(held)}: {received!r}")
                received += data
        return Result(idle_kib=(resident_kib(peer.worker) - before) / case.connections)
    finally:
        for sock in held:
            sock.close()


@contextmanager
def system_calls(peer: Peer, path: Path) -> Iterator[None]:
    """Count the system calls of a proxy's worker, by `strace -c`, while the block runs."""
    words = ["strace", "-f", "-c", "-o", str(path), "-p", str(peer.worker)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        strace.stderr.readline()  # "attached"
        try:
            yield
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(10)


def read_calls(path: Path) -> dict[str, int]:
    """Take the counts out of what `strace -c` wrote."""
    rows = (line.split() for line in path.read_text().splitlines())
    return {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit() and row[-1] != "total"}

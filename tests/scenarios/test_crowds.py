"""Thousands of clients that take their time: what they cost, and that nobody else notices.

The bounds are those of `docs/memory.md`; the figures that this prints are the ones that page shows.
"""

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.nginx import Nginx, Origin
from tests.peers.tidegate import Running, Tidegate, upstream

KIB, MIB, THREADS = 1024, 1024 * 1024, 2
OF_A_THREAD = 40 * MIB
OF_A_HEAD, OF_AN_EXCHANGE = 6 * KIB, 72 * KIB
GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process uses, in bytes."""

    resident: int
    kernel: int  # what its TCP sockets have queued, with the kernel's overhead
    sockets: int


def memory_of(pid: int) -> Memory:
    """Read it off `/proc` and off `ss`, whose `skmem` shows r: received, f: set aside, w: to be sent."""
    resident = int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) * KIB
    table = subprocess.run(["ss", "-tmnpOH"], capture_output=True, text=True, check=True).stdout
    lines = [line for line in table.splitlines() if f"pid={pid}," in line]
    found = [re.findall(r"skmem:\(r(\d+),.*?,f(\d+),w(\d+)", line) for line in lines]
    return Memory(resident, sum(int(n) for each in found for row in each for n in row), len(lines))


@contextmanager
def crowd(proxy: Running, count: int, sends: bytes) -> Iterator[list[socket.socket]]:
    """So many clients with small receive buffers, each of which has sent the same."""
    host, _, port = proxy.address().rpartition(":")
    with ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(20)
            client.connect((host, int(port)))
            client.sendall(sends)
            clients.append(client)
        yield clients


def start(tidegate: Tidegate, origin: Origin) -> Running:
    """An instance that has served a little, so that what is needed once is there."""
    proxy = tidegate.run({**upstream(origin.address), "threads": THREADS, "limits": {"connections": 8000}})
    others_are_served(proxy)
    return proxy


def others_are_served(proxy: Running) -> None:
    """A hundred requests of someone else, on ten connections."""
    for _ in range(10):
        with proxy.connect() as client:
            assert [client.ask(GET).status for _ in range(10)] == [200] * 10


def settled(proxy: Running, sockets: int) -> Memory:
    """The memory once the worker has so many sockets and its queues have stopped growing."""
    before = memory_of(proxy.worker_pid)
    for _ in range(100):
        now = memory_of(proxy.worker_pid)
        if now.sockets >= sockets and abs(now.kernel - before.kernel) < before.kernel // 1000 + KIB:
            return now
        before = now
    raise AssertionError(f"never settled: {now}")


@pytest.mark.needs("nginx", "ss")
def test_4000_slow_readers_of_a_large_file(tidegate: Tidegate, nginx: Nginx, many_files: None) -> None:
    origin, count = nginx.start(), 4000
    with (origin.files / "large").open("wb") as file:
        file.truncate(1024 * MIB)
    proxy = start(tidegate, origin)
    before = memory_of(proxy.worker_pid)
    with crowd(proxy, count, b"GET /files/large HTTP/1.1\r\nHost: api\r\n\r\n") as clients:
        for client in clients:
            assert client.recv(12).startswith(b"HTTP/1.1 200")
        now = settled(proxy, 2 * count)
        print(f"{(now.resident - before.resident) / count / KIB:.1f} KiB and {now.kernel / count / KIB:.0f} KiB each")
        assert now.resident - before.resident < THREADS * OF_A_THREAD + count * OF_AN_EXCHANGE
        free = THREADS * 32 * int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])
        assert now.kernel < free + count * 384 * KIB
        others_are_served(proxy)


@pytest.mark.needs("nginx", "ss")
def test_4000_heads_that_dribble_in(tidegate: Tidegate, nginx: Nginx, many_files: None) -> None:
    proxy, count = start(tidegate, nginx.start()), 4000
    before = memory_of(proxy.worker_pid)
    with crowd(proxy, count, b"GET / HTTP/1.1\r\nHost: api\r\nX-Slow: ") as clients:
        for client in clients:
            client.sendall(b"a")
        now = settled(proxy, count)
        print(f"{(now.resident - before.resident) / count / KIB:.1f} KiB each")
        assert now.resident - before.resident < THREADS * OF_A_THREAD + count * OF_A_HEAD
        others_are_served(proxy)
        for client in clients:
            client.sendall(b"\r\n\r\n")
        for client in clients:
            assert client.recv(12).startswith(b"HTTP/1.1 200")


@pytest.mark.needs("nginx", "ss")
def test_1000_slow_uploads(tidegate: Tidegate, nginx: Nginx, many_files: None) -> None:
    # nginx reads the body before it passes it on, so nobody answers before the clients are done.
    behind = nginx.start()
    origin, count = nginx.start(more=f"location /up {{ proxy_pass http://{behind.address}/; }}"), 1000
    proxy = start(tidegate, origin)
    before = memory_of(proxy.worker_pid)
    with crowd(proxy, count, b"POST /up HTTP/1.1\r\nHost: api\r\nContent-Length: 40000\r\n\r\n") as clients:
        for client in clients:
            client.sendall(bytes(20_000))
        now = settled(proxy, 2 * count)
        print(f"{(now.resident - before.resident) / count / KIB:.1f} KiB each")
        assert now.resident - before.resident < THREADS * OF_A_THREAD + count * OF_AN_EXCHANGE
        others_are_served(proxy)
        for client in clients:
            client.sendall(bytes(20_000))
        for client in clients:
            assert client.recv(12).startswith(b"HTTP/1.1 200")

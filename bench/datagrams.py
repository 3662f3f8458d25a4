"""`python -m bench.datagrams [--rounds N] [--seconds S]`: CPU microseconds a datagram and its answer, beside nginx.

The proxy is alone on core 0; the origin, an nginx that answers by itself, and the loader share core 1.
"""

import argparse
import os
import select
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import cpu_of
from bench.peers import LOADER_CORE, PROXY_CORE, STREAM, Peer, free_address, start_nginx, start_tidegate

CLIENTS = 50
QUESTION = b"q" * 40
KINDS = ("kept", "new")
"""`kept`: each client keeps its socket, and so its session. `new`: one for each question."""


def main() -> int:
    """Measure, and print the medians."""
    parser = argparse.ArgumentParser(prog="bench.datagrams")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(LOADER_CORE)})
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tidegate-bench-") as name:
        folder = Path(name)
        address = free_address()
        source = start_nginx("origin", LOADER_CORE, folder / "origin", address, answering(address), STREAM)
        makers = [tidegate, nginx]
        peers = [(kind, make(folder / f"{make.__name__}-{kind}", address, kind)) for kind in KINDS for make in makers]
        try:
            for number in range(options.rounds):
                for kind, peer in peers if number % 2 else peers[::-1]:
                    cost, rate = load(peer, kind, options.seconds)
                    found.setdefault((kind, peer.name), []).append(cost)
                    print(f"{kind} {peer.name}: {cost:.1f} us, {rate:.0f}/s", file=sys.stderr)
        finally:
            source.end()
            for _, peer in peers:
                peer.end()
    for (kind, peer_name), costs in found.items():
        print(f"{kind} {peer_name} {statistics.median(costs):.1f}")
    return 0


def answering(address: str) -> str:
    """An nginx that answers datagrams; its TCP port tells that it is there."""
    return f'server {{ listen {address} udp; return "{"a" * 100}"; }} server {{ listen {address}; return ok; }}'


def nginx(folder: Path, to: str, kind: str) -> Peer:
    """nginx; new sessions end with their one answer, as is set for Tidegate."""
    address = free_address()
    one = "proxy_responses 1;" if kind == "new" else ""
    body = f"""server {{ listen {address} udp; proxy_pass {to}; {one} access_log off; }}
        server {{ listen {address}; return ok; }}"""
    return start_nginx("nginx", PROXY_CORE, folder, address, body, STREAM)


def tidegate(folder: Path, to: str, kind: str) -> Peer:
    """Tidegate with one thread."""
    udp = {"to": "origin", **({"responses": 1} if kind == "new" else {})}
    return start_tidegate(folder, {"listeners": {"web": {"udp": udp}}, "upstreams": {"origin": {"endpoints": [to]}}})


def load(peer: Peer, kind: str, seconds: float) -> tuple[float, float]:
    """So many clients, each asks again as soon as it has its answer, or another one in its place does."""
    host, port = peer.address.split(":")
    to = (host, int(port))
    poll = select.epoll()
    clients: dict[int, socket.socket] = {}

    def begin() -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.connect(to)
        clients[sock.fileno()] = sock
        poll.register(sock, select.EPOLLIN)
        sock.send(QUESTION)

    for _ in range(CLIENTS):
        begin()
    before, end, answers = cpu_of(peer.worker), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        ready = poll.poll(1)
        if not ready:
            raise RuntimeError(f"{peer.name} answers no more")
        for number, _ in ready:
            sock = clients[number]
            sock.recv(2048)
            answers += 1
            if kind == "kept":
                sock.send(QUESTION)
            else:
                del clients[number]
                sock.close()
                begin()
    spent = cpu_of(peer.worker) - before
    for sock in clients.values():
        sock.close()
    return spent.total / answers * 1e6, answers / seconds


if __name__ == "__main__":
    sys.exit(main())

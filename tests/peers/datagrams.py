"""Datagrams for tests: servers that answer them, clients that send them, and a path that loses some."""

import itertools
import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

from tests.peers.sockets import address_of
from tests.peers.tidegate import Config

Answer = Callable[[bytes], list[bytes]]


def datagrams(addresses: str | list[str], *, udp: Config | None = None, **listener: Any) -> Config:
    """A configuration with the UDP listener `web`, whose datagrams go to the upstream `dns`."""
    endpoints = [addresses] if isinstance(addresses, str) else addresses
    return {
        "listeners": {"web": {"bind": "127.0.0.1:0", "udp": {"to": "dns", **(udp or {})}, **listener}},
        "upstreams": {"dns": {"endpoints": endpoints}},
        "drain": {"timeout": "400ms"},  # a session that is left at the end of a test has a quarter of it
    }


def bound(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A UDP socket."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, port))
    return sock


def split(address: str) -> tuple[str, int]:
    """Host and port of an address as a configuration has it."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


class Server:
    """Answers each datagram, by default with its own name and what came; remembers who asked."""

    def __init__(self, name: str = "", host: str = "127.0.0.1", answer: Answer | None = None) -> None:
        self.socket = bound(host)
        self.address = address_of(self.socket)
        self.answer = answer or (lambda data: [name.encode() + data])
        self.heard: list[tuple[bytes, int]] = []
        """What came, and from which port."""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, client = self.socket.recvfrom(65_536)
            if data == b"end" and client[1] == self.socket.getsockname()[1]:
                return
            self.heard.append((data, client[1]))
            for each in self.answer(data):
                with suppress(OSError):  # the session is over: who asked is not there
                    self.socket.sendto(each, client)

    @property
    def ports(self) -> list[int]:
        """The ports that were asked from, each once, in order: one for each session."""
        return list(dict.fromkeys(port for _, port in self.heard))

    def end(self) -> None:
        """End it; its port then refuses."""
        if self._thread.is_alive():
            self.socket.sendto(b"end", self.socket.getsockname())
            self._thread.join()
            self.socket.close()


class Sender:
    """A client: its socket is connected, so that only answers from the address that it writes to are taken."""

    def __init__(self, address: str, *, source: str | None = None, timeout_s: float = 10) -> None:
        host, port = split(address)
        self.socket = bound(source or ("::" if ":" in host else "0.0.0.0"))
        self.socket.connect((host, port))
        self.socket.settimeout(timeout_s)

    def send(self, data: bytes) -> Self:
        """Send a datagram."""
        self.socket.send(data)
        return self

    def receive(self) -> bytes:
        """Take the next one that comes."""
        return self.socket.recv(65_536)

    def ask(self, data: bytes) -> bytes:
        """Send, then take what comes."""
        return self.send(data).receive()

    def hears_nothing(self, within_s: float = 0.3) -> bool:
        """Whether nothing comes for so long."""
        return not select.select([self.socket], [], [], within_s)[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()


class LossyPath:
    """Passes datagrams on both ways, but loses every third, sends every seventh twice, and swaps some."""

    def __init__(self, to: str) -> None:
        self.inner = bound()
        self.address = address_of(self.inner)
        self.lost = 0
        self._to = split(to)
        self._ways: dict[tuple[str, int], socket.socket] = {}
        self._count = itertools.count(1)
        self._late: list[Callable[[], object]] = []
        self._wake = bound()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        while True:
            for sock in select.select([self.inner, self._wake, *self._ways.values()], [], [])[0]:
                if sock is self._wake:
                    return
                with suppress(ConnectionRefusedError):
                    self._pass_on(sock)

    def _pass_on(self, sock: socket.socket) -> None:
        data, client = sock.recvfrom(65_536)
        if sock is self.inner:
            if client not in self._ways:
                self._ways[client] = bound()
                self._ways[client].connect(self._to)
            send = partial(self._ways[client].send, data)
        else:
            client = next(client for client, way in self._ways.items() if way is sock)
            send = partial(self.inner.sendto, data, client)
        number = next(self._count)
        if number % 3 == 0:
            self.lost += 1
        elif number % 5 == 0:
            self._late.append(send)
        else:
            for _ in range(2 if number % 7 == 0 else 1):
                send()
            while self._late:
                self._late.pop()()  # what came before, after what came later

    def end(self) -> None:
        """End it."""
        self._wake.sendto(b"", self._wake.getsockname())
        self._thread.join()
        for sock in (self.inner, self._wake, *self._ways.values()):
            sock.close()

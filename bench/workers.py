"""Endpoints with a known speed: each has some workers, and a line in front of them.

`python -m bench.workers 8:10 8:100` makes two with 8 workers, which take 10 and 100 ms, exponentially distributed. One
loop serves all of them; the address of each is printed once it accepts, and its number is the body of its answers.
"""

import asyncio
import random
import sys
from collections import deque
from functools import partial


class Line:
    """An endpoint's workers, and the connections that wait for one, first come first served."""

    def __init__(self, number: int, workers: int, service_s: float) -> None:
        self.answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(str(number))}\r\n\r\n{number}".encode()
        self.idle = workers
        self.service_s = service_s
        self.random = random.Random(number)
        self.waiting: deque[Served] = deque()

    def join(self, served: "Served") -> None:
        """Serve a request now, or when a worker is there for it."""
        if self.idle == 0:
            self.waiting.append(served)
            return
        self.idle -= 1
        self.serve(served)

    def serve(self, served: "Served") -> None:
        took = self.random.expovariate(1 / self.service_s)
        asyncio.get_running_loop().call_later(took, self.end, served)

    def end(self, served: "Served") -> None:
        served.answer()
        if self.waiting:
            self.serve(self.waiting.popleft())
        else:
            self.idle += 1


class Served(asyncio.Protocol):
    """A connection of a proxy: requests without bodies, one at a time."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.transport: asyncio.Transport | None = None
        self.head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.head += data
        if self.head.endswith(b"\r\n\r\n"):
            self.head = b""
            self.line.join(self)

    def answer(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(self.line.answer)


async def main(words: list[str]) -> None:
    """Serve until ended."""
    loop = asyncio.get_running_loop()
    for number, word in enumerate(words):
        workers, service_ms = word.split(":")
        line = Line(number, int(workers), float(service_ms) / 1000)
        server = await loop.create_server(partial(Served, line), "127.0.0.1", 0, backlog=4096)
        print("{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))

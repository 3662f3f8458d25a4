"""Open-loop load: requests come by chance at a rate, whatever became of those before.

`python -m bench.open_loop ADDRESS RATE WARM_S SECONDS WAIT_S` prints a JSON object. A request's time begins when it was
due, not when a connection was free for it, so that a proxy which stalls cannot hide what it did to those behind (Gil
Tene's coordinated omission). What has no answer `WAIT_S` seconds after the last request counts as having taken until
then, and is counted apart.
"""

import asyncio
import json
import random
import sys
from dataclasses import asdict, dataclass, field

REQUEST = b"GET / HTTP/1.1\r\nHost: tail.example.com\r\n\r\n"


@dataclass
class Tail:
    """What became of the requests."""

    took_s: list[float] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)  # by their text
    failed: int = 0  # another status than 200, or a connection that ended
    unanswered: int = 0  # at the end of the wait; their times are in `took_s` as far as they had got


class Asking(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.transport: asyncio.Transport | None = None
        self.due = 0.0
        self.counts = False
        self.got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, due: float, counts: bool) -> None:
        assert self.transport is not None
        self.due, self.counts, self.got = due, counts, b""
        self.load.outstanding.add(self)
        self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self.got += data
        head, mark, body = self.got.partition(b"\r\n\r\n")
        if mark and len(body) >= length(head):
            self.load.answered(self, head.startswith(b"HTTP/1.1 200"), body.decode())

    def connection_lost(self, _: Exception | None) -> None:
        self.load.lost(self)


def length(head: bytes) -> int:
    """Of the body that follows: all answers here have a length."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


class Load:
    """All connections, and what their requests came to."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.loop = asyncio.get_running_loop()
        self.idle: list[Asking] = []
        self.outstanding: set[Asking] = set()
        self.tail = Tail()

    async def send(self, due: float, counts: bool) -> None:
        """Ask over a connection that is idle, or a new one."""
        if self.idle:
            self.idle.pop().ask(due, counts)
            return
        try:
            _, asking = await self.loop.create_connection(lambda: Asking(self), self.host, self.port)
        except OSError:
            self.tail.failed += counts
            return
        asking.ask(due, counts)

    def answered(self, asking: Asking, well: bool, body: str) -> None:
        self.outstanding.discard(asking)
        if asking.counts:
            self.tail.answers[body] = self.tail.answers.get(body, 0) + 1
            self.tail.took_s.append(self.loop.time() - asking.due)
            self.tail.failed += not well
        self.idle.append(asking)

    def lost(self, asking: Asking) -> None:
        if asking in self.idle:
            self.idle.remove(asking)
        if asking in self.outstanding:
            self.outstanding.discard(asking)
            self.tail.failed += asking.counts

    def give_up(self) -> None:
        """Count what has no answer yet."""
        now = self.loop.time()
        left = [asking for asking in self.outstanding if asking.counts]
        self.tail.took_s += [now - asking.due for asking in left]
        self.tail.unanswered = len(left)


async def load(address: str, rate: float, warm_s: float, seconds: float, wait_s: float) -> Tail:
    """Send, and wait for what is left; the first `warm_s` seconds do not count."""
    host, port = address.rsplit(":", 1)
    sending = Load(host, int(port))
    dice = random.Random(1)
    start = due = sending.loop.time()
    tasks: set[asyncio.Task[None]] = set()
    while due < start + warm_s + seconds:
        await asyncio.sleep(max(0.0, due - sending.loop.time()))
        task = asyncio.create_task(sending.send(due, due >= start + warm_s))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        due += dice.expovariate(rate)
    end = sending.loop.time() + wait_s
    while (sending.outstanding or tasks) and sending.loop.time() < end:
        await asyncio.sleep(0.01)
    sending.give_up()
    return sending.tail


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(load(sys.argv[1], *map(float, sys.argv[2:]))))))

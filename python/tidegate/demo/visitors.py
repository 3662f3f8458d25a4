"""The demo's visitors: `python -m tidegate.demo.visitors HOST:PORT`. They ask through tidegate, as clients would.

Each line on stdin is a rate, in requests a second; at first nobody comes. Each line on stdout is what came of a quarter
of a second, as JSON. A request's time counts from when it was due, so that a pause of the proxy is not left out, and
nothing is repeated.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from contextlib import suppress

TICK_S = 0.25
PATIENCE_S = 5.0
MOST_AT_ONCE = 64
REQUEST = "GET /hello HTTP/1.1\r\nHost: {host}\r\nUser-Agent: visitor\r\nAccept: application/json\r\n\r\n"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Visitors:
    """Asks at a rate over kept connections, and counts what came."""

    def __init__(self, address: str) -> None:
        self.host, _, port = address.rpartition(":")
        self.port = int(port)
        self.request = REQUEST.format(host=address).encode()
        self.rate = 0.0
        self.free: list[Connection] = []
        self.seats = asyncio.Semaphore(MOST_AT_ONCE)
        self.answers: dict[str, list[float]] = defaultdict(list)
        self.failures: dict[str, int] = defaultdict(int)

    async def come(self) -> None:
        """Ask for ever, at the rate that counts now."""
        asking: set[asyncio.Task[None]] = set()
        due = time.perf_counter()
        while True:
            if self.rate <= 0:
                await asyncio.sleep(0.05)
                due = time.perf_counter()
                continue
            await self.seats.acquire()
            task = asyncio.create_task(self.ask(due))
            asking.add(task)
            task.add_done_callback(asking.discard)
            due = max(due + 1 / self.rate, time.perf_counter() - 1)  # what is a second late is left out
            await asyncio.sleep(due - time.perf_counter())

    async def ask(self, due: float) -> None:
        """One request, and what came of it."""
        try:
            answer = await asyncio.wait_for(self.exchange(), PATIENCE_S)
        except TimeoutError:
            self.failures[f"no answer within {PATIENCE_S:g} s"] += 1
        except (OSError, EOFError, ValueError) as error:
            self.failures[str(error) or type(error).__name__] += 1
        else:
            if isinstance(answer, str):
                self.failures[answer] += 1
            else:
                self.answers[answer[0]].append(time.perf_counter() - due)
        finally:
            self.seats.release()

    async def exchange(self) -> tuple[str] | str:
        """Ask over a connection; return who answered, or in words what came instead."""
        host = self.host.strip("[]")
        connection = self.free.pop() if self.free else await asyncio.open_connection(host, self.port)
        reader, writer = connection
        keep = False
        try:
            writer.write(self.request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip().split("\r\n")
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            await reader.readexactly(int(fields.get("content-length") or ""))
            keep = fields.get("connection", "").lower() != "close"
        finally:
            if keep:
                self.free.append(connection)
            else:
                writer.close()
        status = first.split(" ", 1)[1]
        if status.startswith("200"):
            return (fields.get("x-backend", "?"),)
        told = fields.get("proxy-status")
        return f"{status}, Proxy-Status: {told}" if told else status

    async def tell(self) -> None:
        """Print what came, again and again."""
        while True:
            await asyncio.sleep(TICK_S)
            answers = {name: [round(took * 1000, 3) for took in all_] for name, all_ in self.answers.items()}
            print(json.dumps({"answers": answers, "failures": self.failures}), flush=True)
            self.answers.clear()
            self.failures.clear()

    async def listen(self) -> None:
        """Take new rates, until stdin ends."""
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            self.rate = float(line)


async def main() -> None:
    """Come until whoever started us is gone."""
    visitors = Visitors(sys.argv[1])
    others = [asyncio.create_task(each) for each in (visitors.come(), visitors.tell())]
    await visitors.listen()
    for each in others:
        each.cancel()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(main())

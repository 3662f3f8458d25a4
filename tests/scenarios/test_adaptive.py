"""A slow backend under more load than it bears: the bound on requests under way finds what it does bear."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.peers.backend import Backend, Connection
from tests.peers.messages import get, head
from tests.peers.tidegate import Running, Tidegate, upstream
from tests.peers.waiting import until
from tests.telling.asking import metric

Backends = Callable[..., Backend]
WORKERS, SERVICE_S = 4, 0.02
"""It answers 200 requests a second, four at a time."""


class Slow:
    """A backend with a few workers and a line in front of them."""

    def __init__(self) -> None:
        self.workers = threading.Semaphore(WORKERS)

    def __call__(self, connection: Connection) -> None:
        while connection.read_request():
            with self.workers:
                time.sleep(SERVICE_S)  # what the answer costs
            connection.answer("ok")


class Crowd:
    """Requests that come at a steady rate, whatever becomes of those before them, until the block ends."""

    def __init__(self, proxy: Running, rate: float) -> None:
        self.proxy, self.rate, self.over = proxy, rate, threading.Event()
        self.answers: Counter[tuple[str, int]] = Counter()
        self.pool = ThreadPoolExecutor(200)
        self.ticking = threading.Thread(target=self._tick)

    def __enter__(self) -> "Crowd":
        self.ticking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.ticking.join()
        self.pool.shutdown()

    def _tick(self) -> None:
        number = 0
        while not self.over.wait(1 / self.rate):
            self.pool.submit(self._ask, ("high", "normal", "low")[number % 3])
            number += 1

    def _ask(self, priority: str) -> None:
        with self.proxy.connect() as client:
            answer = client.ask(get("/", f"X-Priority: {priority}"))
        if answer.status == 503:
            assert (answer.field("retry-after"), b"overloaded" in answer.body) == ("1", True)
        self.answers[priority, answer.status] += 1


def limit(proxy: Running) -> int:
    """The bound that was found, as the API tells it."""
    with proxy.connect("admin") as client:
        told = json.loads(client.ask(head("GET", "/api/v1/upstreams", host=proxy.address("admin"))).body)
    return int(told["upstreams"][0]["limit"])


def test_more_than_a_backend_bears_is_refused_by_priority(tidegate: Tidegate, backend: Backends) -> None:
    config = upstream(backend(Slow()).address)
    config["admin"] = {"bind": "127.0.0.1:0"}
    config["upstreams"]["api"]["circuit"] = {
        "adaptive": {"measure": "2s"},
        "priority": 'request.headers["x-priority"]',
    }
    proxy = tidegate.run(config)
    assert limit(proxy) == 50
    with Crowd(proxy, 330) as crowd:
        until(lambda: limit(proxy) < 5 * WORKERS, within_s=60)
        before = crowd.answers.copy()
        until(lambda: crowd.answers.total() > before.total() + 600, within_s=60)
    seen = crowd.answers - before
    assert {status for _, status in seen} == {200, 503}
    share = {name: seen[name, 200] / (seen[name, 200] + seen[name, 503]) for name in ("high", "normal", "low")}
    assert share["high"] > share["normal"] > share["low"], seen
    assert share["high"] > 0.9, seen
    of_api = {"upstream": "api"}
    assert metric(proxy, "tidegate_circuit_limit", **of_api) == limit(proxy)
    assert metric(proxy, "tidegate_circuit_requests", **of_api) == 0
    for priority in ("high", "normal", "low"):
        refused = crowd.answers[priority, 503]
        if refused:
            assert metric(proxy, "tidegate_circuit_refused_total", priority=priority, **of_api) == refused

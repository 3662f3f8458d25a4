"""Endpoints that fail requests while their checks pass, or without any: they leave after a handful, and return."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.messages import get, head
from tests.peers.sockets import Client
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.waiting import until

OUTLIER = {"ejection_time": "500ms", "most_ejection_time": "5s"}


class Moody(Backend):
    """A backend whose answers are as the test says: `well`, `500`, `cut`, `slow`; `/poison` makes it hang up."""

    def __init__(self, name: str) -> None:
        super().__init__(self.answer, name=name)
        self.mood = "well"
        self.asked = 0

    def answer(self, connection: Connection) -> None:
        """Answer as the mood is; checks are always answered well."""
        while request := connection.read_request():
            if "/healthz" in request.line:
                connection.answer()
                continue
            self.asked += 1
            if "/poison" in request.line:
                return
            if self.mood == "cut":
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                return
            if self.mood == "slow":
                time.sleep(0.06)  # what makes it slow
            connection.answer(self.name, "500 Broken" if self.mood == "500" else "200 OK")


def watched(backends: Sequence[Moody], outlier: dict[str, Any] | None = None, **more: Any) -> Config:
    """All requests to one upstream whose outliers are ejected, with an admin listener."""
    config = {**upstream([each.address for each in backends]), "admin": {"bind": "127.0.0.1:0"}}
    config["upstreams"]["api"].update(outlier={**OUTLIER, **(outlier or {})}, **more)
    return config


def ask(proxy: Running, count: int, request: bytes | None = None) -> Counter[str]:
    """What becomes of so many requests: the name of who answered, the status, or `cut`."""
    seen: Counter[str] = Counter()
    client: Client | None = None
    for _ in range(count):
        client = client or proxy.connect()
        try:
            answer = client.ask(request or get())
            seen[answer.body.decode() if answer.status == 200 else str(answer.status)] += 1
            closes = (answer.field("connection") or "").lower() == "close"
        except (EOFError, OSError, ValueError):
            seen["cut"] += 1
            closes = True
        if closes:
            client.close()
            client = None
    return seen


def outliers(proxy: Running) -> list[str]:
    """The third axis of each endpoint."""
    return [each["outlier"] for each in told(proxy)["endpoints"]]


def told(proxy: Running) -> dict[str, Any]:
    """The first upstream, as the API has it."""
    with proxy.connect("admin") as client:
        answer = client.ask(head("GET", "/api/v1/upstreams", host=proxy.address("admin")))
    found: dict[str, Any] = json.loads(answer.body)["upstreams"][0]
    return found


@pytest.mark.parametrize(("mood", "sees"), [("500", "500"), ("cut", "cut")])
def test_an_endpoint_that_fails_requests_leaves_after_a_handful_and_returns(
    tidegate: Tidegate, mood: str, sees: str
) -> None:
    one, two, three = Moody("one"), Moody("two"), Moody("three")
    # Its checks pass all the while.
    health = {"http": "/healthz", "interval": "50ms"}
    proxy = tidegate.run(watched([one, two, three], health=health))
    assert set(ask(proxy, 12)) == {"one", "two", "three"}
    two.mood = mood
    seen = ask(proxy, 60)
    assert seen[sees] == 5, seen
    assert set(seen) == {"one", "three", sees}
    proxy.supervisor.wait_for_line(f"upstream api: {two.address} is ejected: 5 requests in a row .*; for 0.5 s")
    # On trial it costs one request, and goes for longer.
    proxy.supervisor.wait_for_line(f"upstream api: {two.address} is on trial")
    assert ask(proxy, 60)[sees] == 1
    proxy.supervisor.wait_for_line(f"{two.address} is ejected: a request on trial went wrong: .*; for 1 s")
    two.mood = "well"
    until(lambda: "two" in ask(proxy, 6))
    until(lambda: ask(proxy, 6) and outliers(proxy) == ["in", "in", "in"])
    proxy.supervisor.wait_for_line(f"{two.address} is taken again: 3 requests on trial went well")
    history = [change["to"] for change in told(proxy)["endpoints"][1]["history"]]
    assert history == ["up", "ejected", "on_trial", "ejected", "on_trial", "readmitted"]


def test_one_request_that_makes_every_backend_hang_up_takes_none_out(tidegate: Tidegate) -> None:
    backends = [Moody(name) for name in ("one", "two", "three")]
    proxy = tidegate.run(watched(backends, {"broken": 3, "most_ejected": "100%"}))
    poison = b"POST /poison HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    assert ask(proxy, 30, poison) == {"502": 30}
    assert outliers(proxy) == ["in", "in", "in"]
    assert set(ask(proxy, 9)) == {"one", "two", "three"}


def test_an_endpoint_that_is_far_slower_than_the_others_is_ejected(tidegate: Tidegate) -> None:
    backends = [Moody(name) for name in ("one", "two", "three")]
    proxy = tidegate.run(watched(backends, {"interval": "2s", "ejection_time": "1m", "latency": {"requests": 5}}))
    backends[2].mood = "slow"
    until(lambda: ask(proxy, 30) and outliers(proxy) == ["in", "in", "out"], within_s=20)
    assert set(ask(proxy, 12)) == {"one", "two"}
    proxy.supervisor.wait_for_line(r"is ejected: its answers took \d+\.\d ms, the others' \d+\.\d ms; for 60 s")


def test_no_more_are_out_than_may_be(tidegate: Tidegate) -> None:
    backends = [Moody(name) for name in ("one", "two", "three", "four")]
    proxy = tidegate.run(watched(backends, {"most_ejected": "50%", "ejection_time": "1m"}))
    for each in backends[:3]:
        each.mood = "500"
    until(lambda: ask(proxy, 20) and outliers(proxy).count("out") == 2)
    assert ask(proxy, 40)["500"] == 20
    assert outliers(proxy).count("out") == 2


def test_where_too_few_are_healthy_all_are_used_and_it_says_so(tidegate: Tidegate) -> None:
    backends = [Moody(name) for name in ("one", "two", "three")]
    config = watched(backends, health={"http": "/healthz", "interval": "50ms"})

    proxy = tidegate.run(config)
    until(lambda: [each["checked"] for each in told(proxy)["endpoints"]] == ["up", "up", "up"])
    config["upstreams"]["api"]["health"] = {"http": {"path": "/healthz", "statuses": 204}, "interval": "50ms"}
    proxy.reload(config)
    proxy.supervisor.wait_for_line("upstream api: fewer than 50 % of its endpoints are healthy: all are used")
    assert told(proxy)["panic"] is True
    assert set(ask(proxy, 9)) == {"one", "two", "three"}
    assert "too few endpoints are healthy" in proxy.call("status").stdout
    config["upstreams"]["api"]["panic_threshold"] = 0
    proxy.reload(config)
    until(lambda: not told(proxy)["panic"])
    assert ask(proxy, 3) == {"503": 3}

"""A second endpoint beside the first: what clients see of endpoints that take their time, and what that costs."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.messages import get, head
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.waiting import until

Backends = Callable[..., Backend]


def hedging(backends: list[Backend], hedge: dict[str, Any], **parts: Any) -> Config:
    """A configuration whose route hedges, with metrics."""
    config = upstream([each.address for each in backends])
    config["routes"][0] |= {"retry": {"hedge": hedge}}
    config["upstreams"]["api"]["retry_budget"] = {"share": "100%", "least": 100}
    return {**config, "threads": 1, "admin": {"bind": "127.0.0.1:0"}, **parts}


@pytest.fixture
def quick(backend: Backends) -> Backend:
    """A backend that answers."""

    def say(connection: Connection) -> None:
        while request := connection.read_request():
            made.saw(request)
            connection.answer("quick")

    made = backend(say)
    return made


class Silent:
    """A backend that reads a request and then says nothing; `left` counts those that were called off."""

    def __init__(self, backend: Backends) -> None:
        self.left = 0
        self.backend = backend(self.wait)

    def wait(self, connection: Connection) -> None:
        """Read one request, and the end of its connection."""
        if request := connection.read_request():
            self.backend.saw(request)
            connection.read_request()
            with self.backend.changed:
                self.left += 1
                self.backend.changed.notify_all()

    def wait_until_left(self, count: int) -> None:
        """Wait until so many were called off."""
        self.backend.wait_for(lambda _: self.left == count)


@pytest.fixture
def silent(backend: Backends) -> Silent:
    return Silent(backend)


def ask(proxy: Running, count: int) -> list[bytes]:
    """The bodies of so many answers, on one connection."""
    with proxy.connect() as client:
        return [client.ask(get()).body for _ in range(count)]


def count(proxy: Running, metric: str) -> int:
    """What a metric of the upstream says."""
    with proxy.connect("admin") as admin:
        text = admin.ask(head("GET", "/metrics", host="localhost")).body.decode()
    found = re.search(rf'^{metric}{{upstream="api"}} (\d+)$', text, re.MULTILINE)
    assert found is not None, text
    return int(found[1])


def test_an_endpoint_that_says_nothing_keeps_no_client_waiting(
    tidegate: Tidegate, quick: Backend, silent: Silent, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    proxy = tidegate.run(hedging([silent.backend, quick], {"after": "20ms"}, access_log={"to": str(log)}))
    assert ask(proxy, 20) == [b"quick"] * 20
    slow = len(silent.backend.requests)
    assert slow >= 10
    assert len(quick.requests) == 20
    silent.wait_until_left(slow)
    assert count(proxy, "tidegate_hedges_total") == count(proxy, "tidegate_hedges_won_total") == slow

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    until(lambda: len(lines()) == 20)
    hedged = [line for line in lines() if "tries" in line]
    assert len(hedged) == slow
    for line in hedged:
        first, second = line["tries"].split(", ")
        assert first.startswith(f"{silent.backend.address} cancelled 0.")
        assert second.startswith(f"{quick.address} 200 0.")
        assert (line["attempts"], line["endpoint"]) == (2, quick.address)


def test_to_be_called_off_is_no_failure_of_an_endpoint(tidegate: Tidegate, quick: Backend, silent: Silent) -> None:
    config = hedging([silent.backend, quick], {"after": "5ms"})
    config["upstreams"]["api"]["outlier"] = {"broken": 1}
    proxy = tidegate.run(config)
    assert ask(proxy, 20) == [b"quick"] * 20
    assert len(silent.backend.requests) >= 10


def test_what_the_budget_does_not_bear_is_not_sent_twice(tidegate: Tidegate, quick: Backend, silent: Silent) -> None:
    config = hedging([silent.backend, quick], {"after": "5ms"})
    config["routes"][0]["timeouts"] = {"response": "500ms"}
    config["upstreams"]["api"]["retry_budget"] = {"share": 0, "least": 0}
    proxy = tidegate.run(config)
    with proxy.connect() as client:
        assert sorted(client.ask(get()).status for _ in range(10)) == [200] * 5 + [504] * 5
    assert len(quick.requests) + len(silent.backend.requests) == 10
    assert count(proxy, "tidegate_hedges_total") == 0
    assert count(proxy, "tidegate_retries_refused_total") == 5


def test_a_percentile_is_learnt_and_kept_over_a_reload(tidegate: Tidegate, backend: Backends, quick: Backend) -> None:
    def say(connection: Connection) -> None:
        while request := connection.read_request():
            made.saw(request)
            if request.line.startswith("GET /silent"):
                connection.read_request()
                return
            connection.answer("late")

    made = backend(say)
    config = hedging([made, quick], {"after": "p95", "least": "5ms"})
    config["routes"][0] |= {"name": "all", "timeouts": {"response": "200ms"}}
    proxy = tidegate.run(config)
    ask(proxy, 200)
    with proxy.connect() as client:

        def is_known() -> bool:
            client.ask(get("/silent"))
            return count(proxy, "tidegate_hedges_won_total") > 0

        until(is_known, within_s=30)
    proxy.reload({**config, "routes": [*config["routes"], {"match": {"path": "/other"}, "respond": {"body": "x"}}]})
    with proxy.connect() as client:
        assert [client.ask(get("/silent")).status for _ in range(4)] == [200] * 4


def test_permits_of_bounded_pools_come_back(tidegate: Tidegate, quick: Backend, silent: Silent) -> None:
    config = hedging([silent.backend, quick], {"after": "5ms"})
    config["upstreams"]["api"]["pool"] = {"connections": 1, "queue": 10, "wait": "5s"}
    proxy = tidegate.run(config)
    assert ask(proxy, 20) == [b"quick"] * 20


def test_a_client_that_leaves_ends_both_tries(tidegate: Tidegate, backend: Backends) -> None:
    first, second = Silent(backend), Silent(backend)
    proxy = tidegate.run(hedging([first.backend, second.backend], {"after": "5ms"}))
    with proxy.connect() as client:
        client.send(get())
        for each in (first, second):
            each.backend.wait_for(lambda it: it.requests)
        client.reset()
    first.wait_until_left(1)
    second.wait_until_left(1)

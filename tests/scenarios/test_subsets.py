"""Subsets on real sockets: a route that asks for labels gets endpoints that have them, or its fallback."""

from collections.abc import Callable
from typing import Any

from tests.peers.backend import Backend
from tests.peers.messages import get
from tests.peers.sockets import closed_port
from tests.peers.tidegate import Config, Tidegate, upstream
from tests.scenarios.test_endpoints import answers, named

Backends = Callable[..., Backend]


def labelled(balance: str, *endpoints: tuple[str, dict[str, str]], **routes: Any) -> Config:
    """A configuration with endpoints that have these labels, and a route for each path."""
    config = upstream([])
    config["upstreams"]["api"] |= {
        "balance": balance,
        "endpoints": [{"address": address, "labels": labels} for address, labels in endpoints],
    }
    config["routes"] = [{"match": {"path": f"/{path}"}, "to": to} for path, to in routes.items()]
    return config


def test_each_route_gets_endpoints_with_its_labels(tidegate: Tidegate, backend: Backends) -> None:
    one, two, plain = (named(backend, name) for name in ("one", "two", "plain"))
    new, old = {"version": "v2"}, {"version": "v1"}
    config = labelled(
        "least_requests",
        (one.address, old),
        (two.address, new),
        (plain.address, {}),
        new={"upstream": "api", "labels": new},
        all="api",
        split=[{"upstream": "api", "labels": old, "weight": 3}, {"upstream": "api", "labels": new, "weight": 1}],
    )
    proxy = tidegate.run(config)
    assert answers(proxy, 10, get("/new")) == {"two": 10}
    assert answers(proxy, 30, get("/all")) == {"one": 10, "two": 10, "plain": 10}
    seen = answers(proxy, 400, get("/split"))
    assert set(seen) == {"one", "two"} and 60 <= seen["two"] <= 140, seen


def test_where_none_has_the_labels_the_fallback_decides(tidegate: Tidegate, backend: Backends) -> None:
    one, dead = named(backend, "one"), closed_port()
    new, old = {"version": "v2"}, {"version": "v1"}
    config = labelled(
        "round_robin",
        (one.address, old),
        (dead, new),
        none={"upstream": "api", "labels": new},
        any={"upstream": "api", "labels": new, "fallback": "any"},
        old={"upstream": "api", "labels": new, "fallback": {"labels": old}},
    )
    proxy = tidegate.run(config)
    for path in ("/any", "/old"):  # the first request finds out, and is served all the same
        assert answers(proxy, 5, get(path)) == {"one": 5}
    with proxy.connect() as client:
        answer = client.ask(get("/none"))
        assert (answer.status, b"connect_refused" in answer.body) == (502, True)
    proxy.call("endpoints", "drain", "api", dead)
    with proxy.connect() as client:
        answer = client.ask(get("/none"))
        assert (answer.status, b"nothing_eligible" in answer.body) == (503, True)


def test_an_endpoint_that_is_added_live_takes_what_its_labels_say(tidegate: Tidegate, backend: Backends) -> None:
    one, two = named(backend, "one"), named(backend, "two")
    new = {"version": "v2"}
    proxy = tidegate.run(labelled("random_two", (one.address, new), new={"upstream": "api", "labels": new}, all="api"))
    assert proxy.call("endpoints", "add", "api", two.address, "--label", "version=v3").returncode == 0
    assert answers(proxy, 10, get("/new")) == {"one": 10}
    assert set(answers(proxy, 40, get("/all"))) == {"one", "two"}
    assert proxy.call("endpoints", "remove", "api", two.address).returncode == 0
    assert proxy.call("endpoints", "add", "api", two.address, "--label", "version=v2").returncode == 0
    assert set(answers(proxy, 40, get("/new"))) == {"one", "two"}

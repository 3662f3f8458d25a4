"""Of any two routes the more specific one takes a request, by the contract's order, whatever the order in the file."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tidegate import Config
from tidegate.explain.ask import explain
from tidegate.explain.request import Request


@dataclass(frozen=True)
class Asked:
    """What a client sends, as plain values."""

    method: str
    host: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    client: str

    def request(self) -> Request:
        """Write it as explain wants it."""
        query = "&".join(f"{name}={text}" for name, text in self.query.items())
        lines = tuple(f"{name}: {text}" for name, text in self.headers.items())
        return Request(self.method, f"http://{self.host}{self.path}?{query}", lines, self.client)


@dataclass(frozen=True)
class Written:
    """A route as a person writes it; `when` is the method that it asks for."""

    host: str | None
    path: dict[str, str] | None
    methods: list[str]
    headers: dict[str, str]
    query: dict[str, str]
    networks: list[str]
    when: str | None
    priority: int = field(default=0)

    def route(self, name: str) -> dict[str, Any]:
        """Write it as data, without what it does not ask for."""
        when = self.when and f'request.method == "{self.when}"'
        asked = {
            "host": self.host,
            "path": self.path,
            "methods": self.methods,
            "headers": self.headers,
            "query": self.query,
            "from": self.networks,
            "when": when,
        }
        match = {key: value for key, value in asked.items() if value}
        return {"name": name, "match": match, "priority": self.priority, "respond": {"status": 204}}

    def matches(self, asked: Asked) -> bool:
        """Say whether it could take the request."""
        return (
            self._has_host(asked.host)
            and self._has_path(asked.path)
            and (not self.methods or asked.method in self.methods)
            and all(asked.headers.get(name, "") == text for name, text in self.headers.items())
            and all(asked.query.get(name, "") == text for name, text in self.query.items())
            and (not self.networks or any(_is_in(asked.client, network) for network in self.networks))
            and (self.when is None or asked.method == self.when)
        )

    def _has_host(self, host: str) -> bool:
        if self.host is None or not self.host.startswith("*"):
            return self.host in (None, host)
        return host.endswith(self.host[1:])

    def _has_path(self, path: str) -> bool:
        match self.path:
            case None:
                return True
            case {"exact": exact}:
                return path == exact
            case {"regex": pattern}:
                return re.search(pattern, path) is not None
        whole = (self.path or {})["prefix"].rstrip("/")
        return path == (whole or "/") or path.startswith(f"{whole}/")

    def rank(self) -> tuple[Any, ...]:
        """How specific it is, as the contract orders it: the greater wins."""
        host = (0, 0) if self.host is None else (1, len(self.host)) if self.host[0] == "*" else (2, 0)
        return (
            host,
            self._rank_of_path(),
            bool(self.methods),
            len(self.headers),
            len(self.query),
            bool(self.networks),
            self.when is not None,
            self.priority,
        )

    def _rank_of_path(self) -> tuple[int, int]:
        match self.path:
            case None:
                return (0, 0)
            case {"prefix": prefix}:
                return (1, len(prefix.rstrip("/")))
            case {"regex": pattern}:
                return (2, len(pattern))
        return (3, 0)


def _is_in(client: str, network: str) -> bool:
    return ipaddress.ip_address(client) in ipaddress.ip_network(network)


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    """Draw one of a few values, so that routes and requests meet often."""
    return st.sampled_from(values)


def texts(*names: str) -> st.SearchStrategy[dict[str, str]]:
    """Draw what some of the names say."""
    return st.dictionaries(st.sampled_from(names), one_of("1", "2"), max_size=len(names))


PATHS = ("/", "/a", "/a/b", "/a/b/c", "/b")
PREFIXES = one_of("/", "/a", "/a/", "/a/b", "/b/").map(lambda path: {"prefix": path})
EXACT = one_of(*PATHS).map(lambda path: {"exact": path})
PATTERNS = one_of("a", "^/a", "^/a/b", "b$", "^/b", ".", "/[ab]").map(lambda pattern: {"regex": pattern})

REQUESTS = st.builds(
    Asked,
    one_of("GET", "PUT", "POST"),
    one_of("x.test", "a.x.test", "b.a.x.test", "y.test"),
    one_of(*PATHS),
    texts("x-a", "x-b"),
    texts("p", "q"),
    one_of("10.0.0.1", "10.1.0.1", "192.0.2.1"),
)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Written, Written, Asked]:
    """Draw a request, and two routes that ask for what it has, mostly."""
    asked = draw(REQUESTS)
    return draw(routes(asked)), draw(routes(asked)), asked


def routes(asked: Asked) -> st.SearchStrategy[Written]:
    """Draw a route, each part more often than not one that this request has."""
    above = ["*." + asked.host.split(".", depth)[-1] for depth in range(1, asked.host.count(".") + 1)]
    return st.builds(
        Written,
        one_of(None, asked.host, *above, "x.test"),
        st.none() | one_of({"exact": asked.path}) | PREFIXES | PATTERNS | EXACT,
        one_of([], [asked.method], ["GET", "PUT"]),
        parts_of(asked.headers, "x-a"),
        parts_of(asked.query, "p"),
        one_of([], ["0.0.0.0/0"], ["10.0.0.0/8"], ["10.1.0.0/16", "192.0.2.0/24"]),
        one_of(None, asked.method, "PUT"),
        one_of(0, 0, 1),
    )


def parts_of(there: dict[str, str], name: str) -> st.SearchStrategy[dict[str, str]]:
    """Draw some of what is there, and seldom something else."""
    some = st.sets(st.sampled_from(sorted(there))) if there else st.just(set[str]())
    return some.map(lambda names: {each: there[each] for each in sorted(names)}) | st.just({name: "1"})


def winner(routes: list[tuple[str, Written]], asked: Asked) -> str | None:
    """Ask the core which route takes the request; raises `ValidationError` where nothing says which."""
    listeners = {"web": {"bind": ":80"}}
    config = Config.model_validate({"listeners": listeners, "routes": [each.route(name) for name, each in routes]})
    answer = explain(config, "c.yaml", asked.request())
    return None if answer["route"] is None else str(answer["route"]["name"])


@settings(max_examples=600, deadline=None)
@given(situations())
def test_the_winner_is_the_more_specific_whatever_the_order(situation: tuple[Written, Written, Asked]) -> None:
    one, other, asked = situation
    pair = [("one", one), ("other", other)]
    matching = sorted(((each.rank(), name) for name, each in pair if each.matches(asked)), reverse=True)
    event(f"{len(matching)} match")
    try:
        chosen = winner(pair, asked)
    except ValidationError as refused:
        assert one.rank() == other.rank(), refused
        assert "nothing says which one wins" in str(refused.errors()[0]["ctx"]["parts"])
        return
    assert chosen == (matching[0][1] if matching else None)
    assert winner(pair[::-1], asked) == chosen
    assert len(matching) < 2 or matching[0][0] != matching[1][0], "nothing says which one wins, and check let it pass"

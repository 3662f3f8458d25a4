"""What an expression means is what Python means by it: the core and `eval` agree on every request.

`matches` is the one exception, since its dialect is the engine's; `crates/core/src/rule/laws.rs` holds it to that.
"""

import ipaddress
import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate._engine import fill_template, rule_holds
from tidegate.config.expression import ExchangeExpression, ExchangeTemplate

# What stands in requests and in expressions alike, so that they often meet.
PIECES = ["", "a", "b", "A", "ab", "a, b", "é", "É", "ΑΣ", "1", "x y", "=", "10.1.2.3"]
NETWORKS = ["10.0.0.0/8", "10.1.2.3/32", "192.0.2.0/24", "2001:db8::/32", "::ffff:10.1.0.0/112", "::/0", "0.0.0.0/0"]
CLIENTS = ["10.1.2.3:5000", "192.0.2.7:80", "[2001:db8::1]:443", "[::ffff:10.1.2.3]:1", ""]
SETS = {"office": ["10.0.0.0/8", "2001:db8::/32"], "words": ["a", "ab", "é"], "none": []}
TERMS = [
    "a",
    "b",
    "A",
    "a=1",
    "a=b",
    "b=a+b",
    "b=%41%62",
    "a=%C3%A9",
    "%61=x",
    "a=%zz",
    "a=100%",
    "",
    "=a",
    "c=%2B=",
    "a==",
]
COOKIES = ["a=1", "a=b", " b = a ", "a", "A=x", 'b="q"', "", "a=x=y", "c="]


@dataclass(frozen=True)
class Asked:
    """A request, and how its exchange ended."""

    method: str
    path: str
    query: str | None
    host: str
    headers: tuple[tuple[str, str], ...]
    cookies: tuple[str, ...]
    client: str
    ended: tuple[int, float, str]

    @property
    def head(self) -> bytes:
        """The head as it is sent."""
        target = self.path if self.query is None else f"{self.path}?{self.query}"
        lines = [f"{self.method} {target} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Cookie: {line}" for line in self.cookies]
        return "\r\n".join([*lines, "", ""]).encode()


class Joined(str):
    """What may stand there several times, as a text of Python's with `.all`."""

    all: list[str]

    @classmethod
    def of(cls, values: list[str]) -> "Joined":
        """Join them."""
        joined = cls(", ".join(values))
        joined.all = values
        return joined


class ByName(str):
    """A text that also has parts by name."""

    parts: dict[str, list[str]]

    def __getitem__(self, name: Any) -> Any:
        return Joined.of(self.parts.get(name, []))


class Headers(ByName):
    """Parts whose names have no case."""

    def __getitem__(self, name: Any) -> Any:
        return super().__getitem__(name.lower())


class Address:
    """An address that compares as networks do."""

    def __init__(self, client: str) -> None:
        host = client.rpartition(":")[0].strip("[]")
        address = ipaddress.ip_address(host) if host else None
        self.address = getattr(address, "ipv4_mapped", None) or address

    def __eq__(self, other: object) -> bool:
        network = ipaddress.ip_network(str(other))
        if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96 and network[0].ipv4_mapped:
            network = ipaddress.ip_network(f"{network[0].ipv4_mapped}/{network.prefixlen - 96}")
        return self.address is not None and self.address in network

    __hash__ = None  # type: ignore[assignment]


def in_python(asked: Asked) -> dict[str, Any]:
    """Make the names that an expression knows of plain Python objects."""
    headers: dict[str, list[str]] = {"host": [asked.host]}
    for name, value in asked.headers:
        headers.setdefault(name.lower(), []).append(value.strip(" \t"))
    cookies: dict[str, list[str]] = {}
    for line in asked.cookies:
        for pair in line.split(";"):
            name, sign, value = pair.partition("=")
            if sign:
                cookies.setdefault(name.strip(), []).append(value.strip())
    query = ByName(asked.query or "")
    query.parts = parse_qs(str(query), keep_blank_values=True)
    fields, jar = Headers(), ByName()
    fields.parts, jar.parts = headers, cookies
    request = SimpleNamespace(
        method=asked.method,
        scheme="http",
        host=asked.host.partition(":")[0].lower(),
        path=unquote(asked.path),
        query=query,
        uri=asked.path if asked.query is None else f"{asked.path}?{asked.query}",
        headers=fields,
        cookies=jar,
    )
    port = int(asked.client.rpartition(":")[2] or 0)
    status, duration, failure = asked.ended
    return {
        "request": request,
        "client": SimpleNamespace(ip=Address(asked.client), port=port),
        "listener": "web",
        "sets": SETS,
        "response": SimpleNamespace(status=status, duration=duration),
        "failure": failure,
    }


requests = st.builds(
    Asked,
    method=st.sampled_from(["GET", "POST", "get"]),
    path=st.lists(st.sampled_from(["a", "b", "A%20b", "%41", "%C3%A9"]), min_size=1, max_size=3).map(
        lambda parts: "/" + "/".join(parts)
    ),
    query=st.none() | st.lists(st.sampled_from(TERMS), max_size=4).map("&".join),
    host=st.sampled_from(["a", "A.example", "a.example:80"]),
    headers=st.lists(st.tuples(st.sampled_from(["X-A", "x-a", "X-B"]), st.sampled_from(PIECES)), max_size=4).map(tuple),
    cookies=st.lists(st.lists(st.sampled_from(COOKIES), min_size=1, max_size=3).map(";".join), max_size=2).map(tuple),
    client=st.sampled_from(CLIENTS),
    ended=st.tuples(
        st.sampled_from([200, 404, 502, 0]), st.sampled_from([0.0, 0.25, 1.5, 60.0]), st.sampled_from(["", "no_route"])
    ),
)

literals = st.sampled_from(PIECES).map(repr) | st.text(max_size=3).map(repr)
names = st.sampled_from(["a", "b", "x-a", "X-A", "c", "x-c"])
families = st.sampled_from(["headers", "cookies", "query"])
repeated = st.builds(lambda family, name: f"request.{family}[{name!r}]", families, names)
words = st.sampled_from(["method", "scheme", "host", "path", "query", "uri"]).map("request.{}".format)
plain = literals | words | repeated | st.sampled_from(["listener", "failure"])
texts = st.recursive(
    plain,
    lambda inner: inner.map("({}).lower()".format) | st.builds("({} + {})".format, inner, inner),
    max_leaves=3,
)
signs = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
numbers = st.sampled_from(
    ["client.port", "response.status", "response.duration", "0", "80", "200", "0.25", "1.5", "-1"]
)
is_in = st.sampled_from(["in", "not in"])
lists = st.lists(texts, max_size=3).map(lambda each: f"[{', '.join(each)}]")
tuples = st.lists(texts, min_size=1, max_size=3).map(lambda each: f"({', '.join(each)},)")
networks = st.lists(st.sampled_from(NETWORKS).map(repr), max_size=3).map(lambda each: f"[{', '.join(each)}]")
leaves = st.one_of(
    st.sampled_from(["True", "False"]),
    st.builds("{} {} {}".format, texts, signs, texts),
    st.builds("{} {} {} {} {}".format, texts, signs, texts, signs, texts),
    st.builds("{} {} {}".format, numbers, signs, numbers),
    st.builds("{} {} [{}, {}]".format, numbers, is_in, numbers, numbers),
    st.builds("{} {} {}".format, texts, is_in, texts),
    st.builds("{} {} {}".format, texts, is_in, lists),
    st.builds("{} {} {}.all".format, texts, is_in, repeated),
    st.builds("{} {} sets['words']".format, texts, is_in),
    st.builds("{} {} sets['none']".format, texts, is_in),
    st.builds("client.ip {} {}".format, is_in, networks),
    st.builds("client.ip {} sets['office']".format, is_in),
    st.builds("client.ip {} {!r}".format, st.sampled_from(["==", "!="]), st.sampled_from(NETWORKS)),
    st.builds("({}).{}({})".format, texts, st.sampled_from(["startswith", "endswith"]), texts | tuples),
)
conditions = st.recursive(
    leaves,
    lambda inner: (
        inner.map("not ({})".format)
        | st.builds("({}) {} ({})".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("{} and {} or {}".format, *[inner.map("({})".format)] * 3)
    ),
    max_leaves=6,
)


@settings(max_examples=600, deadline=None)
@given(text=conditions, asked=requests)
def test_the_core_and_python_agree(text: str, asked: Asked) -> None:
    rule = json.dumps(ExchangeExpression.read(text).compiled)
    sets = {name: "\n".join(entries) for name, entries in SETS.items()}
    assert rule_holds(rule, asked.head, asked.client, sets, asked.ended) == bool(eval(text, in_python(asked)))


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(st.sampled_from(["{{", "}}", "-"]) | texts.map("{{{}}}".format), max_size=4), asked=requests)
def test_a_template_is_what_python_formats(parts: list[str], asked: Asked) -> None:
    template = json.dumps(ExchangeTemplate.read("".join(parts)).compiled)
    known = in_python(asked)
    expected = "".join(
        part if part == "-" else part[0] if part in ("{{", "}}") else eval(part[1:-1], known) for part in parts
    )
    assert fill_template(template, "text", asked.head, asked.client, asked.ended) == expected.encode()

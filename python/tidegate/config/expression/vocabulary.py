"""The words of expressions: the one place where they are defined. `docs/expressions.md` is made of this table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a part of an expression gives. The value is how a person calls it."""

    TEXT = "text"
    NUMBER = "a number"
    ADDRESS = "an address"
    TEXTS = "several texts"
    LIST = "a list"
    SET = "a set"
    CONDITION = "a condition"


@dataclass(frozen=True, slots=True)
class Word:
    """A word that stands by itself."""

    kind: Kind
    means: str
    example: str
    of_answer: bool = False
    """Known only when there is an answer: in the access log, and on error pages."""
    by: tuple[str, ...] = ()
    """Databases under `geo`, one of which tells it."""


@dataclass(frozen=True, slots=True)
class Family:
    """What may stand in a request several times, by name."""

    tag: str
    """What the core calls it."""
    means: str
    example: str


WORDS: Mapping[str, Word] = {
    "request.method": Word(Kind.TEXT, "The method, as it was sent.", "GET"),
    "request.scheme": Word(
        Kind.TEXT, "`http` or `https`: of the connection, or as a proxy of `forwarded.from` tells it.", "https"
    ),
    "request.host": Word(Kind.TEXT, "The host in lower case, without port and last dot.", "api.example.com"),
    "request.path": Word(
        Kind.TEXT,
        "The path as routes match it: escapes but `%2F` and `%25` decoded, repeated slashes merged.",
        "/a b/c",
    ),
    "request.query": Word(Kind.TEXT, "The query as it was sent, without the `?`.", "page=2&q=x+y"),
    "request.uri": Word(
        Kind.TEXT,
        "Path and query as they go on where nothing is rewritten: byte for byte as they came, dot segments resolved "
        "where the listener does that.",
        "/a%20b//c?page=2",
    ),
    "request.id": Word(Kind.TEXT, "The request's id, which `X-Request-Id` carries.", "4fd2…"),
    "client.ip": Word(
        Kind.ADDRESS,
        "The client: the rightmost address that is not in `forwarded.from`. IPv4-mapped IPv6 is IPv4. A client on a "
        "Unix socket has none: it is in no network, and empty as text.",
        "203.0.113.9",
    ),
    "client.port": Word(Kind.NUMBER, "The client's port; 0 where only its address is known.", "51824"),
    "client.country": Word(
        Kind.TEXT,
        "The code of the client's country (ISO 3166-1), by the database `geo.country` or `geo.city`; empty where it is "
        "not known.",
        "DE",
        by=("country", "city"),
    ),
    "client.continent": Word(
        Kind.TEXT,
        "The code of its continent, by the same: `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`.",
        "EU",
        by=("country", "city"),
    ),
    "client.asn": Word(
        Kind.NUMBER,
        "The number of the client's autonomous system, by the database `geo.asn`; 0 where it is not known.",
        "64500",
        by=("asn",),
    ),
    "listener": Word(Kind.TEXT, "The name of the listener that took the request.", "web"),
    "response.status": Word(Kind.NUMBER, "The status that the client was sent; 0 if none.", "502", of_answer=True),
    "response.duration": Word(
        Kind.NUMBER, "Seconds from the request's first byte to the end of the exchange.", "0.25", of_answer=True
    ),
    "failure": Word(
        Kind.TEXT, "Why the exchange failed, as the log has it; empty if it did not.", "connect_refused", of_answer=True
    ),
}

FAMILIES: Mapping[str, Family] = {
    "request.headers": Family("header", "A header, by its name in any case.", 'request.headers["x-beta"]'),
    "request.cookies": Family(
        "cookie", "A cookie, as its maker set it: nothing is unquoted or decoded.", 'request.cookies["session"]'
    ),
    "request.query": Family(
        "query", "A term of the query, `+` and escapes decoded; `flag` alone is empty.", 'request.query["page"]'
    ),
}

METHODS: Mapping[str, str] = {
    "startswith": 'Whether it begins so; a tuple asks for one of several: `.startswith(("/a/", "/b/"))`.',
    "endswith": "Whether it ends so; also with a tuple.",
    "lower": "The text in lower case.",
    "matches": 'Whether the pattern is found: `.matches("^/v[0-9]+/")`, in the dialect of a route\'s `regex`.',
}
"""What can be asked of a text."""

SETS = "sets"
"""The word before the name of a set: `sets["office"]`."""

"""What the engine offers to Python. `crates/python/src/` has one file for each of these."""

from typing import Any

_Fields = list[tuple[bytes, bytes]]

def parse_yaml(text: str) -> tuple[Any, list[tuple[int, int, int, str, str]]]:
    """Parse one YAML 1.2 document into `(kind, value, line, column, end_line, end_column, text)` and faults."""

def read_request(
    data: bytes,
) -> tuple[tuple[bytes, bytes, str], _Fields, bytes, _Fields, bool, int] | None:
    """Read one request as `((method, target, version), fields, body, trailers, keep_alive, end)`.

    `end` is how many bytes of `data` it has. None where bytes are missing. Raises `ValueError` where it is refused.
    """

def read_response(data: bytes, method: str) -> tuple[tuple[str, int, bytes], _Fields, bytes, _Fields, bool, int] | None:
    """Read one answer to `method` as `((version, status, reason), fields, body, trailers, keep_alive, end)`.

    `data` is all that the connection brings until it ends. Otherwise as `read_request`.
    """

def failure_kinds() -> list[tuple[str, int]]:
    """List the kinds of failures that are answered, each with the status of its answer."""

def pattern_flaw(pattern: str) -> str | None:
    """Say why `pattern` cannot be a route's `regex`, in the words of the dialect; none if it can."""

def replacement_flaw(pattern: str, with_: str) -> str | None:
    """Say why `with_` cannot stand in the place of what `pattern` finds in a path; none if it can."""

def rule_holds(
    rule: str, head: bytes, client: str, sets: dict[str, str], ended: tuple[int, float, str] | None = None
) -> bool:
    """Say whether `rule`, as `Expression.compiled` in JSON, holds for the request `head` of `client`, `address:port`.

    `sets` has what named sets hold, an entry a line; `ended` is `(status, seconds, failure)`. Raises `ValueError`.
    """

def fill_template(
    template: str, stand: str, head: bytes, client: str, ended: tuple[int, float, str] | None = None
) -> bytes:
    """Give what `template`, as `Template.compiled` in JSON, becomes for a request; else as `rule_holds`.

    `stand` is where it stands: `header`, `path`, `query`, `uri`, `text`, `html` or `json`.
    """

def read_set(text: str, comments: bool) -> tuple[str, int, tuple[int, str] | None]:
    """Read a named set's text: its entries as lines, how many, and line and text of the first that is no network."""

def access_log_fields() -> list[tuple[str, bool]]:
    """List the fields of the access log, in the order of a line, and whether a line has each where none are chosen."""

def database_flaw(bytes: bytes, tells: str) -> str:
    """Say what is wrong with a database that is to tell of a `country`, an `asn` or a `city`; empty if nothing."""

def decode_snapshot(document: str, sets: dict[str, str], databases: dict[str, bytes]) -> tuple[float, float]:
    """Decode a snapshot as a worker does, and swap a thread's table for it; gives the seconds of both.

    `sets` has what named sets hold, by digest, and `databases` the files that tell where clients are. Raises
    `ValueError`, with a line for each thing no worker would serve.
    """

def explain(
    document: str, sets: dict[str, str], databases: dict[str, bytes], listener: int, client: str | None, head: bytes
) -> str:
    """Say as JSON what becomes of a request with this head on the listener at this index of a snapshot document.

    `sets` and `databases` as in `decode_snapshot`; `client` is an address, or none for a Unix socket. Raises
    `ValueError` where the core refuses the snapshot.
    """

def explain_layer4(
    document: str,
    sets: dict[str, str],
    databases: dict[str, bytes],
    listener: int,
    client: str | None,
    local: str | None,
    hello: str | None,
) -> str:
    """Say as JSON what becomes of a connection, or of a session's first datagram, on the listener at this index.

    `sets` and `databases` as in `decode_snapshot`; `client` and `local` are addresses with ports, or none for a Unix
    socket; `hello` is what a ClientHello asks for, as JSON. Raises `ValueError` where the core refuses the snapshot.
    """

def simulate(
    document: str,
    index: int,
    work: list[tuple[int, float]],
    *,
    rate: float,
    requests: int,
    keys: int,
    threads: int,
    seed: int,
) -> tuple[list[int], list[float]]:
    """Play requests on the upstream at `index` of a snapshot document without sets.

    `work` has workers and seconds of service of each endpoint. Gives the endpoint and the seconds of each. Raises
    `ValueError` where the core refuses the snapshot.
    """

def work(fd: int) -> None:
    """Serve supervisors on the listening Unix socket `fd`, which it owns, until a drain has ended. Raises `OSError`."""

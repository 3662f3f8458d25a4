"""`tidegate explain`: where would this request, connection or datagram go, and why?"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from cyclopts import Parameter

from tidegate.cli.exits import DONE, INPUT_IS_WRONG, USED_WRONGLY

if TYPE_CHECKING:
    from tidegate.config.config import Config
    from tidegate.explain.connection import Connection
    from tidegate.explain.request import Request


class _WrongWords(Exception):
    """The words behind `--` are not understood."""


class _Words(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _WrongWords(message)


def explain(
    config: Path,
    *words: Annotated[str, Parameter(allow_leading_hyphen=True)],
    listener: str | None = None,
    all: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Say where a request would go under CONFIG, and why every other route lost. Nothing is sent or looked up.

    Example: tidegate explain tidegate.yaml -- GET http://api.example.com/v1/ -H 'X-Beta: 1' --from 10.0.0.7
    For a connection or a datagram: tidegate explain tidegate.yaml -- tcp :443 --sni db.example.com --alpn postgresql

    Parameters
    ----------
    config
        The configuration file.
    words
        METHOD URL [-H 'Name: value'] [--from IP]; a path alone in place of the URL sends no Host of its own. Or
        tcp ADDRESS [--sni NAME] [--alpn PROTOCOL] [--tls] [--from IP], or udp ADDRESS [--from IP]; ADDRESS is ours.
    listener
        The listener that is asked. Default: the one that has the URL's port.
    all
        Show also the routes for other hosts and listeners, and every endpoint of a large upstream.
    json
        Print it as JSON, with every route.
    """
    from tidegate.explain.request import NotARequest

    parser = _Words(add_help=False)
    parser.add_argument("method")
    parser.add_argument("url")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("--from", dest="client", default="127.0.0.1")
    parser.add_argument("--sni")
    parser.add_argument("--alpn", action="append", default=[])
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--listener", default=listener)
    parser.add_argument("--all", action="store_true", default=all)
    parser.add_argument("--json", action="store_true", default=json)
    try:
        given = parser.parse_args(list(words))
        asked = _asked(given)
    except (_WrongWords, NotARequest) as wrong:
        return _used_wrongly(str(wrong))
    from tidegate.config.load import load

    loaded = load(config)
    for problem in loaded.problems:
        print(problem, file=sys.stderr)
    if loaded.config is None:
        return INPUT_IS_WRONG
    try:
        told, text = _answer(loaded.config, loaded.source, asked, given)
    except NotARequest as wrong:
        return _used_wrongly(str(wrong))
    if given.json:
        from json import dumps

        print(dumps(told, indent=2, ensure_ascii=False))
    else:
        print(text, end="")
    return DONE


def _asked(given: argparse.Namespace) -> "Request | Connection":
    """Read what is asked about."""
    from tidegate.explain.connection import PROTOCOLS, Connection
    from tidegate.explain.request import Request

    client = None if given.client == "unix:" else given.client
    if given.method in PROTOCOLS:
        if given.header:
            raise _WrongWords("`-H` is for a request")
        return Connection(given.method, given.url, client, given.sni, tuple(given.alpn), given.tls)
    if given.sni is not None or given.alpn or given.tls:
        raise _WrongWords("`--sni`, `--alpn` and `--tls` are for a connection, as `tcp :443`")
    return Request(given.method, given.url, tuple(given.header), client)


def _answer(
    config: "Config", source: str, asked: "Request | Connection", given: argparse.Namespace
) -> tuple[dict[str, Any], str]:
    """Say what becomes of it, for programs and for people."""
    from tidegate.explain.connection import Connection

    if isinstance(asked, Connection):
        from tidegate.explain.ask_layer4 import explain_connection
        from tidegate.explain.show_layer4 import show_connection

        told = explain_connection(config, source, asked, given.listener)
        return told, show_connection(told, every=given.all)
    from tidegate.explain.ask import explain as explain_request
    from tidegate.explain.show import show

    told = explain_request(config, source, asked, given.listener)
    return told, show(told, every=given.all)


def _used_wrongly(says: str) -> int:
    print(f"tidegate: {says}; `tidegate explain --help` has an example", file=sys.stderr)
    return USED_WRONGLY

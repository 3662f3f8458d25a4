"""`tidegate explain`: where would this request go, and why?"""

import argparse
import sys
from pathlib import Path
from typing import Annotated, NoReturn

from cyclopts import Parameter

from tidegate.cli.exits import DONE, INPUT_IS_WRONG, USED_WRONGLY


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

    Parameters
    ----------
    config
        The configuration file.
    words
        METHOD URL [-H 'Name: value'] [--from IP]; a path alone in place of the URL sends no Host of its own.
    listener
        The listener that is asked. Default: the one that has the URL's port.
    all
        Show also the routes for other hosts and listeners, and every endpoint of a large upstream.
    json
        Print it as JSON, with every route.
    """
    from tidegate.explain.request import NotARequest, Request

    parser = _Words(add_help=False)
    parser.add_argument("method")
    parser.add_argument("url")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("--from", dest="client", default="127.0.0.1")
    parser.add_argument("--listener", default=listener)
    parser.add_argument("--all", action="store_true", default=all)
    parser.add_argument("--json", action="store_true", default=json)
    try:
        given = parser.parse_args(list(words))
        client = None if given.client == "unix:" else given.client
        request = Request(given.method, given.url, tuple(given.header), client)
    except (_WrongWords, NotARequest) as wrong:
        return _used_wrongly(str(wrong))
    from tidegate.config.load import load

    loaded = load(config)
    for problem in loaded.problems:
        print(problem, file=sys.stderr)
    if loaded.config is None:
        return INPUT_IS_WRONG
    from tidegate.explain.ask import explain as ask

    try:
        told = ask(loaded.config, loaded.source, request, given.listener)
    except NotARequest as wrong:
        return _used_wrongly(str(wrong))
    if given.json:
        from json import dumps

        print(dumps(told, indent=2, ensure_ascii=False))
    else:
        from tidegate.explain.show import show

        print(show(told, every=given.all), end="")
    return DONE


def _used_wrongly(says: str) -> int:
    print(f"tidegate: {says}; `tidegate explain --help` has an example", file=sys.stderr)
    return USED_WRONGLY

"""A worker's word is a stranger's: what is of another type, or leads nowhere, is not told on."""

import asyncio
from typing import Any, cast

import pytest

from tidegate.supervisor import resources, told
from tidegate.supervisor.overrides import Override
from tidegate.supervisor.resources import NotTold
from tidegate.supervisor.worker import Worker

ROUTE = {
    "name": "all",
    "requests": dict.fromkeys(("none", "1xx", "2xx", "3xx", "4xx", "5xx"), 0),
    "bytes_in": 1,
    "bytes_out": 2,
}


class Liar:
    """A worker that answers as it is told to, page after page."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        self.is_connected = True
        self.pages = list(pages)

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Give the next page; the last one for ever."""
        return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]


def ask(*pages: dict[str, Any]) -> list[told.Route]:
    """All routes that a liar tells."""
    return asyncio.run(resources.ask_pages(cast(Worker, Liar(*pages)), "routes", told.Route))


def test_pages_that_follow_each_other_are_one_list() -> None:
    found = ask({"items": [ROUTE, ROUTE], "next": 2}, {"items": [{**ROUTE, "name": "b", "more": [1]}], "next": None})
    assert [each.name for each in found] == ["all", "all", "b"]
    assert "more" not in found[2].model_dump()


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"items": "all", "next": None},
        {"items": [5], "next": None},
        {"items": [{**ROUTE, "name": "x" * 301}], "next": None},
        {"items": [{**ROUTE, "bytes_in": -1}], "next": None},
        {"items": [{**ROUTE, "bytes_in": "1"}], "next": None},
        {"items": [{**ROUTE, "bytes_in": 2**64}], "next": None},
        {"items": [{**ROUTE, "requests": {"6xx": 1}}], "next": None},
        {"items": [ROUTE], "next": 0},
        {"items": [ROUTE], "next": 7},
        {"items": [], "next": 0},
        {"items": [ROUTE], "next": "1"},
    ],
    ids=lambda page: str(page)[:40],
)
def test_a_page_that_is_none_is_not_told(page: dict[str, Any]) -> None:
    with pytest.raises(NotTold, match="an answer that is none"):
        ask(page)


def test_a_list_without_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(Liar):
        async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
            return {"items": [ROUTE] * 100, "next": fields["first"] + 100}

    monkeypatch.setattr(told, "MOST", 1000)
    with pytest.raises(NotTold):
        asyncio.run(resources.ask_pages(cast(Worker, Endless()), "routes", told.Route))


@pytest.mark.parametrize("status", [None, [], {"listeners": 5, "connections": -1}])
def test_a_status_of_the_wrong_shape_is_an_empty_one(status: Any) -> None:
    found = resources.standing_of(status)
    assert (found["listeners"], found["connections"]) == ([], 0)


ENDPOINT: dict[str, Any] = {
    "address": "127.0.0.1:1",
    "entry": "a:1",
    "weight": 1,
    "reason": "",
    "since": None,
    "until": 1.5,
    "history": [],
    "asked": "ready",
    "checked": "unknown",
    "outlier": "out",
    "eligible": False,
    **dict.fromkeys(("exchanges", "idle", "requests", "failures", "server_errors", "connect_failures"), 0),
    **dict.fromkeys(("connections", "reused", "passed_over"), 0),
}
BRIEF = {"address": "127.0.0.1:1", "entry": "a:1", "weight": 1, "standing": "out", "reason": "", "exchanges": 2}


DRAINED = Override(upstream="api", address="10.0.0.1:80", configured=1, draining=True, since=0.0)


def test_rows_find_their_upstream_and_those_of_another_snapshot_are_left_out() -> None:
    row = {"endpoint": ENDPOINT}
    gone = {"unresolved": {"entry": "b:1", "says": "no such name"}}
    first = [{"upstream": "api", "balance": "round_robin", "panic": False}, {"upstream": "api", **row}]
    none = {"upstream": "none", "balance": "first", "panic": True}
    second = [{"upstream": "api", **gone}, {"upstream": "removed", **row}, none]
    liar = cast(Worker, Liar({"items": first, "next": 2}, {"items": second, "next": None}))
    told = asyncio.run(resources.upstreams(liar, [DRAINED]))["upstreams"]
    asked = DRAINED.model_dump(exclude={"upstream"})
    api = {"endpoints": [ENDPOINT], "unresolved": [{"entry": "b:1", "says": "no such name"}]}
    assert told == [
        {"name": "api", "balance": "round_robin", "panic": False, "limit": None, **api, "overrides": [asked]},
        {
            "name": "none",
            "balance": "first",
            "panic": True,
            "limit": None,
            "endpoints": [],
            "unresolved": [],
            "overrides": [],
        },
    ]


def test_the_status_has_upstreams_in_brief_or_none() -> None:
    rows = [{"upstream": "api", "panic": True}, {"upstream": "api", "endpoint": BRIEF}, {"upstream": "api"}]
    liar = cast(Worker, Liar({"items": rows, "next": None}))
    found = asyncio.run(resources.upstreams_in_brief(liar))
    assert found == [{"name": "api", "panic": True, "endpoints": [BRIEF]}]
    assert asyncio.run(resources.upstreams_in_brief(cast(Worker, Liar({})))) == []

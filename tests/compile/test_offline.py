"""What `check` asks of the core without a worker: would this be served, and how long does each stage take?"""

import json
from typing import Any

import pytest

from bench.configuration import hosts, routes
from tests.golden.test_golden import compiled
from tidegate import Config, load_text
from tidegate._engine import decode_snapshot
from tidegate.compile import offline
from tidegate.compile.offline import compile_offline
from tidegate.supervisor.frames import MOST_FROM_SUPERVISOR


def read(text: str) -> Config:
    loaded = load_text(text)
    assert loaded.config is not None, loaded.problems
    return loaded.config


@pytest.mark.parametrize("text", [hosts(200), routes(500)], ids=["hosts", "routes"])
def test_every_stage_has_its_time(text: str) -> None:
    made = compile_offline(read(text), "x.yaml")
    assert made.problems == ()
    assert list(made.took_s) == ["compile", "decode", "swap"]
    assert all(seconds >= 0 for seconds in made.took_s.values())


def test_names_and_sets_need_no_network() -> None:
    text = """{listeners: {web: {bind: ":80"}}, sets: {office: {values: ["10.0.0.0/8"]}},
        upstreams: {api: {endpoints: ["no.such.name.invalid:80"]}}, routes: [{to: api}]}"""
    assert compile_offline(read(text), "x.yaml").problems == ()


def test_a_snapshot_of_100_000_routes_fits_a_frame() -> None:
    few, more = (compile_offline(read(routes(count)), "x.yaml").size for count in (100, 1_100))
    assert few + (more - few) * 100 < MOST_FROM_SUPERVISOR / 2
    assert offline.MOST_BYTES == MOST_FROM_SUPERVISOR


def test_one_that_is_too_large_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "MOST_BYTES", 2**10)
    (problem,) = compile_offline(read(routes(100)), "x.yaml").problems
    assert "and a worker takes 0: it needs fewer routes" in problem


def test_the_core_says_what_it_would_not_serve() -> None:
    document: dict[str, Any] = compiled(read('listeners: {web: {bind: ":80"}}'), "x.yaml")
    for change, says in (({"format": 0}, "snapshot format 0"), ({"threads": 0}, "threads: 0"), ({"x": 1}, "x")):
        with pytest.raises(ValueError, match=says):
            decode_snapshot(json.dumps(document | change), {}, {})

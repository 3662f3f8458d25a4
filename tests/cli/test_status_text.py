"""What `tidegate status` prints for people."""

import pytest

from tidegate.cli.status_text import describe, duration

TOLD = {
    "version": "1.2.3",
    "supervisor": {"pid": 10, "since": 1000.0},
    "worker": {"pid": 11, "since": 8_000.5},
    "snapshot": {"number": 3, "source": "tidegate.yaml", "since": 8_600.0},
    "threads": 2,
    "connections": 5,
    "limits": {"connections": 9872, "files": 20_000},
    "listeners": [
        {"name": "web", "binds": ["127.0.0.1:8080", "[::1]:8080"], "connections": 4},
        {"name": "admin", "binds": ["127.0.0.1:9901"], "connections": 1},
    ],
    "upstreams": [
        {
            "name": "api",
            "endpoints": [
                {"address": "127.0.0.1:9001", "entry": "127.0.0.1:9001", "weight": 1, "standing": "in",
                 "reason": "", "exchanges": 1},
                {"address": "10.0.0.7:80", "entry": "b.internal:80", "weight": 20, "standing": "out",
                 "reason": "it could not be connected to", "exchanges": 0},
            ],
        },
        {"name": "empty", "endpoints": []},
        {"name": "admin:api", "endpoints": []},
    ],
}  # fmt: skip


def test_a_status_is_lines_in_columns() -> None:
    assert describe(TOLD, 8_660.0) == [
        "tidegate 1.2.3: snapshot 3 of tidegate.yaml, for 1 min",
        "supervisor 10, for 2 h 7 min; worker 11, for 10 min 59 s; 2 threads; 5 of 9872 connections",
        "",
        "listener web    127.0.0.1:8080 [::1]:8080  4 connections",
        "listener admin  127.0.0.1:9901             1 connection",
        "",
        "upstream api",
        "  127.0.0.1:9001               weight 1   in   1 exchange",
        "  10.0.0.7:80 (b.internal:80)  weight 20  out  0 exchanges  it could not be connected to",
        "",
        "upstream empty",
        "  no endpoint",
    ]


def test_a_worker_that_does_not_answer_is_told() -> None:
    lines = describe({**TOLD, "worker": None, "listeners": [], "upstreams": [], "limits": {"connections": 0}}, 8_660.0)
    assert lines[1:] == ["supervisor 10, for 2 h 7 min; worker does not answer; 2 threads; 5 connections"]


def test_workers_of_before_are_told() -> None:
    older = [
        {"pid": 9, "generation": 1, "version": "1.2.2", "connections": 1, "until": 8_700.0},
        {"pid": 10, "generation": 3, "version": "1.2.3", "connections": None, "until": 12_260.0},
    ]
    worker = {"pid": 11, "since": 8_000.5, "version": "1.2.4"}
    lines = describe({**TOLD, "worker": worker, "older": older, "listeners": [], "upstreams": []}, 8_660.0)
    assert "; worker 11 of version 1.2.4, for 10 min 59 s; " in lines[1]
    assert lines[2:] == [
        "",
        "worker 9 of before   generation 1  version 1.2.2  1 connection     ends within 40 s",
        "worker 10 of before  generation 3  version 1.2.3  does not answer  ends within 1 h",
    ]


def test_no_name_moves_the_cursor() -> None:
    told = {**TOLD, "listeners": [{"name": "a\x1b[2J\n", "binds": [], "connections": 0}]}
    assert any(r"listener a\x1b[2J\n" in line for line in describe(told, 0.0))


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(-1, "0 s"), (0.9, "0 s"), (59, "59 s"), (60, "1 min"), (3_661, "1 h 1 min"), (3_601, "1 h"), (90_061, "1 d 1 h")],
)
def test_a_time_has_its_two_largest_units(seconds: float, says: str) -> None:
    assert duration(seconds) == says


def test_providers_are_told_with_their_age_and_what_is_wrong() -> None:
    providers = [
        {"provider": "file:/srv/a.yaml", "endpoints": 2, "good": 8_655.0, "error": ""},
        {"provider": "http://r/", "endpoints": 0, "good": None, "error": "its list is wrong:\nhttp://r/:1:1: error"},
    ]
    assert describe({**TOLD, "providers": providers}, 8_660.0)[-2:] == [
        "provider file:/srv/a.yaml  2 endpoints  as of 5 s ago",
        "provider http://r/         0 endpoints  no list yet    its list is wrong:",
    ]

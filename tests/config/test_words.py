"""No word of the validator's own reaches a person: whatever stands where, the problem is told in our words."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tidegate.config.config import Config
from tidegate.config.scalar import EMPTY
from tidegate.config.secret import SecretTag
from tidegate.config.words import tell

WRONG = ["wrong value", "", 7, -1, 1.5, True, EMPTY, [], {}, [[]], [{}], {"x": 1}, ["x"], SecretTag("x"), None, b"x"]
WHOLE: dict[str, Any] = {
    "threads": 4,
    "user": "tidegate",
    "access_log": {"to": "stdout", "format": "json"},
    "log": {"level": "info", "format": "text"},
    "admin": {"bind": ":1", "token": SecretTag("env:TOKEN")},
    "state": "state",
    "drain": {"delay": "1s", "timeout": "1m"},
    "limits": {"connections": 0},
    "pid_file": "pid",
    "include": ["x"],
    "listeners": {
        "web": {
            "bind": [{"address": "unix:x", "mode": "0660", "owner": "a:b"}],
            "forwarded": {"from": ["10.0.0.0/8"], "field": "forwarded"},
            "proxy_protocol": "off",
            "underscores": "drop",
            "paths": {"dot_segments": "refuse"},
            "timeouts": {"header": "1s", "idle": "1s", "tunnel": "1s", "max_age": "1s"},
            "limits": {"header_bytes": "1KiB", "headers": 1, "body_rate": "1B/s", "connections": 1},
            "error_pages": [{"status": 404, "endpoints": True, "body": "x", "content_type": "text/html"}],
        }
    },
    "routes": [
        {
            "name": "a",
            "listeners": ["web"],
            "match": {"host": "a.example.com", "path": {"prefix": "/"}},
            "priority": 1,
            "filters": [
                {"request_id": {"field": "X-Id", "from": "request.id"}},
                {"deny": ["10.0.0.0/8"]},
                {"allow": ["unix:"]},
                {"body_limit": {"size": "1KiB"}},
                {"buffer_request": {"size": "1KiB"}},
                {"rewrite": {"strip_prefix": "/a", "add_prefix": "/b", "query": "c", "host": "d:1"}},
                {"rewrite": {"regex": {"pattern": "a", "with": "b"}}},
                {"rewrite": {"path": "/a"}},
                {"request_headers": {"set": {"A": "1"}, "add": {"B": "1"}, "append": {"C": "1"}, "remove": ["D"]}},
                {"error_pages": [{"status": [502, "4xx"], "kind": ["no_route"], "body": "x", "send": 200}]},
                {"response_headers": {"remove": ["A"]}},
            ],
            "timeouts": {"response": "1s", "idle": "1s"},
            "to": "api",
        },
        {"match": {"path": {"exact": "/a"}}, "respond": {"status": 200, "body": "x"}},
        {"match": {"path": {"regex": "/a"}}, "respond": {}},
    ],
    "upstreams": {
        "api": {
            "balance": "round_robin",
            "endpoints": [{"address": "127.0.0.1:1", "weight": 1}],
            "pool": {"idle": "1s", "connections": 1, "queue": 1, "wait": "1s", "connect": "1s"},
            "proxy_protocol": "v1",
            "health": {
                "http": {
                    "path": "/up",
                    "method": "GET",
                    "host": "x",
                    "headers": {"A": "1"},
                    "statuses": ["200-299"],
                    "body": {"regex": "a"},
                },
                "port": 1,
                "interval": "1s",
                "fast_interval": "1s",
                "timeout": "1s",
                "rise": 1,
                "fall": 1,
            },
            "outlier": {
                "server_errors": 1,
                "broken": 1,
                "interval": "1s",
                "most_ejected": "10%",
                "success_rate": {"deviations": 1.5, "endpoints": 1, "requests": 1},
                "latency": {"factor": 1.5, "least": "1s", "endpoints": 3, "requests": 1},
            },
            "panic_threshold": "50%",
            "circuit": {"requests": 1},
        },
        "spoken": {
            "endpoints": ["127.0.0.1:1"],
            "health": {"tcp": {"send": "x", "expect": {"contains": "x"}}},
        },
    },
}
JARGON = ("Input", "should", "valid", "instance", "dict", "NoneType", "cannot be", "{", "Error", "pydantic")


def paths(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """List the paths to every value."""
    yield path
    if isinstance(data, dict | list):
        for step, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from paths(value, (*path, step))


def replaced(data: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Copy the data with another value at a path."""
    if not path:
        return value
    step, *rest = path
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[step] = replaced(data[step], tuple(rest), value)  # type: ignore[index]
    return copy


def test_the_whole_is_right_before_anything_is_replaced() -> None:
    Config.model_validate(WHOLE)


@pytest.mark.parametrize("path", list(paths(WHOLE)), ids=lambda path: ".".join(map(str, path)) or "whole")
def test_every_wrong_value_at_every_key_is_told_in_our_words(path: tuple[str | int, ...]) -> None:
    for value in WRONG:
        try:
            Config.model_validate(replaced(WHOLE, path, value), context={"folder": Path("/here")})
        except ValidationError as errors:
            for error in errors.errors(include_url=False):
                if error["type"] == "value_error":
                    continue  # what the parts disagree on; the loader tells it by itself
                words = tell(error, Config, "`key`")
                ours = re.sub("`[^`]*`", "``", words.says)  # examples and what was written may hold anything
                assert not any(word in ours for word in JARGON), (value, error, words)


def test_the_words_of_python_name_the_reason_too() -> None:
    with pytest.raises(ValidationError, match="no upstream is named `gone`"):
        Config.model_validate({"routes": [{"to": "gone"}]})
    with pytest.raises(ValidationError, match="`timeouts`|needs a unit after `10`"):
        Config.model_validate({"listeners": {"a": {"bind": ":1", "timeouts": {"header": 10}}}})

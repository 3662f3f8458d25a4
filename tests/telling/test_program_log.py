"""The program's own log, of supervisor and worker alike: as much as the configuration wants, in the form it wants."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.peers.backend import Backend
from tests.peers.tidegate import Tidegate, upstream

Backends = Callable[..., Backend]


def told(tidegate: Tidegate, address: str, log: dict[str, str] | None) -> list[str]:
    """All that an instance says from its start to its end."""
    running = tidegate.run(upstream(address) | ({"log": log} if log else {}))
    with running.connect() as client:
        assert client.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status == 200
    assert running.stop() == 0
    return running.supervisor.lines


def test_it_is_text_for_people_unless_told_otherwise(tidegate: Tidegate, backend: Backends) -> None:
    lines = told(tidegate, backend().address, None)
    assert any(line.endswith("Z info SIGTERM: draining") for line in lines)
    assert any(line.endswith("Z info drain: every connection has ended") for line in lines)


def test_what_matters_too_little_is_said_by_neither_process(tidegate: Tidegate, backend: Backends) -> None:
    lines = told(tidegate, backend().address, {"level": "warning"})
    assert [line for line in lines if " info " in line] == []
    assert any(line.startswith("ready: web=127.0.0.1:") for line in lines)  # whoever started it waits for this


def test_as_json_every_line_of_both_processes_is_an_object(tidegate: Tidegate, backend: Backends) -> None:
    lines: list[dict[str, Any]] = [json.loads(each) for each in told(tidegate, backend().address, {"format": "json"})]
    assert {each["room"] for each in lines} == {"supervisor", "engine"}
    assert all({"time", "level", "message"} <= set(each) for each in lines)
    assert [each["message"].split(" ")[0] for each in lines].count("ready:") == 1
    assert "every connection has ended" in [each["message"] for each in lines]


@pytest.mark.parametrize(("before", "after"), [("warning", "info"), ("info", "warning")])
def test_a_reload_changes_it_for_both(tidegate: Tidegate, backend: Backends, before: str, after: str) -> None:
    config = upstream(backend().address)
    running = tidegate.run(config | {"log": {"level": before}})
    running.reload(config | {"log": {"level": after}})
    said = len(running.supervisor.lines)
    assert running.stop() == 0
    spoke = [line for line in running.supervisor.lines[said:] if " info " in line]
    assert any("every connection has ended" in line for line in spoke) == (after == "info")
    assert any("draining" in line for line in spoke) == (after == "info")

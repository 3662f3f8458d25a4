"""The API: what it tells of a running instance, and how it answers what it does not tell."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.peers.messages import head
from tests.peers.sockets import Answer, closed_port
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.waiting import until
from tests.telling.asking import Backends, ask_many


def get(running: Running, path: str, *fields: str, method: str = "GET") -> Answer:
    """One request to the admin listener."""
    with running.connect("admin") as client:
        client.send(head(method, path, *fields, host=running.address("admin")))
        return client.read_answer(head_only=method == "HEAD")


def told(running: Running, name: str) -> dict[str, Any]:
    """What is told at `/api/v1/NAME`."""
    answer = get(running, f"/api/v1/{name}")
    assert (answer.status, answer.field("content-type")) == (200, "application/json")
    assert answer.field("cache-control") == "no-store"
    found: dict[str, Any] = json.loads(answer.body)
    return found


def with_admin(addresses: str | list[str]) -> Config:
    """Everything to one upstream, with an admin listener."""
    return {**upstream(addresses), "admin": {"bind": "127.0.0.1:0"}}


def test_its_root_lists_what_there_is_and_the_status_is_the_command_s(tidegate: Tidegate, backend: Backends) -> None:
    running = tidegate.run(with_admin(backend().address))
    names = [path.removeprefix("/api/v1/") for path in told(running, "")["resources"]]
    assert names == ["status", "config", "upstreams", "routes", "rollouts"]
    by_api, by_command = told(running, "status"), running.status()
    assert by_api.keys() == by_command.keys()
    same = ("version", "supervisor", "worker", "snapshot", "threads", "limits", "state")
    assert {key: by_api[key] for key in same} == {key: by_command[key] for key in same}
    assert {"listeners", "connections", "upstreams"} <= by_api.keys()
    assert [each["name"] for each in by_api["listeners"]] == ["web", "admin"]


def test_the_configuration_has_every_default_and_no_secret(
    tidegate: Tidegate, backend: Backends, tmp_path: Path
) -> None:
    secret = tmp_path / "token"
    secret.write_text("hush-hush\n")
    running = tidegate.prepare("")
    running.write(
        f"state: {running.state}\nadmin: {{bind: '127.0.0.1:0', token: !secret file:{secret}}}\n"
        f"upstreams: {json.dumps(upstream(backend().address)['upstreams'])}\n"
        "listeners: {web: {bind: '127.0.0.1:0'}}\nroutes: [{to: api}]\n"
    )
    running.start()
    found = told(running, "config")
    assert found["listeners"]["web"]["timeouts"] == {"header": "10s", "idle": "75s", "tunnel": "1h", "max_age": "0s"}
    assert found["admin"]["token"] == f"!secret file:{secret}"
    for name in ("config", "status", "upstreams", "routes"):
        assert b"hush-hush" not in get(running, f"/api/v1/{name}").body


def test_endpoints_are_told_with_their_standing_and_counts(tidegate: Tidegate, backend: Backends) -> None:
    well, gone = backend().address, closed_port()
    running = tidegate.run(with_admin([well, gone]))
    ask_many(running, 0, 6)
    (found,) = told(running, "upstreams")["upstreams"]
    assert (found["name"], found["balance"], found["unresolved"]) == ("api", "round_robin", [])
    of = {each["address"]: each for each in found["endpoints"]}
    assert (of[well]["asked"], of[well]["checked"], of[well]["outlier"], of[well]["eligible"]) == (
        "ready",
        "unknown",
        "in",
        True,
    )
    assert (of[well]["requests"], of[well]["connect_failures"], of[well]["until"]) == (6, 0, None)
    assert (of[gone]["outlier"], of[gone]["eligible"], of[gone]["reason"]) == (
        "out",
        False,
        "the endpoint refused the connection",
    )
    assert 0 < of[gone]["until"] - time.time() <= 10
    (change,) = of[gone]["history"]
    assert (change["to"], change["reason"]) == ("passed_over", "the endpoint refused the connection")
    assert abs(change["at"] - of[gone]["since"]) < 0.5 and 0 <= time.time() - change["at"] < 10
    assert (of[well]["history"], of[well]["reason"], of[well]["since"]) == ([], "", None)
    assert (of[gone]["requests"], of[gone]["connect_failures"], of[gone]["passed_over"]) == (1, 1, 1)


def test_routes_are_told_with_match_target_and_counts(tidegate: Tidegate, backend: Backends) -> None:
    config = with_admin(backend().address)
    config["routes"].append({"match": {"host": "a.example", "path": "/x"}, "respond": {"status": 404, "body": "no"}})
    running = tidegate.run(config)
    ask_many(running, 0, 3)
    with running.connect() as client:
        assert client.ask("GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n").status == 404

    def routes() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = told(running, "routes")["routes"]
        return found

    until(lambda: routes()[1]["counters"]["requests"]["4xx"] == 1)
    everything, one = routes()
    assert (everything["name"], everything["target"]) == ("all", {"to": {"upstream": "api"}})
    assert everything["counters"]["requests"]["2xx"] == 3
    assert everything["counters"]["bytes_out"] > 100
    assert (one["name"], one["match"]["host"], one["match"]["path"]["prefix"]) == ("routes[1]", "a.example", "/x")
    assert one["target"]["respond"]["status"] == 404
    assert one["place"].rsplit(":", 2)[0].endswith("tidegate.yaml")


def test_more_routes_and_endpoints_than_a_page_holds_are_all_told(tidegate: Tidegate, backend: Backends) -> None:
    address = backend().address
    config = with_admin(address)
    config["upstreams"] |= {
        f"many-{number}": {"endpoints": [f"127.1.{number}.{last}:1" for last in range(250)]} for number in range(12)
    }
    config["routes"] += [{"match": {"path": f"/{number}"}, "to": "api"} for number in range(6000)]
    running = tidegate.run(config)
    assert len(told(running, "routes")["routes"]) == 6001
    found = told(running, "upstreams")["upstreams"]
    assert [each["name"] for each in found] == list(config["upstreams"])
    assert sum(len(each["endpoints"]) for each in found) == 3001


@pytest.mark.timeout(180)
def test_one_upstream_may_have_more_endpoints_than_a_frame_holds(tidegate: Tidegate) -> None:
    addresses = [f"127.{number >> 8}.{number & 255}.1:1" for number in range(12_000)]
    running = tidegate.run(with_admin(addresses))
    (found,) = told(running, "upstreams")["upstreams"]
    assert [each["address"] for each in found["endpoints"]] == addresses
    by_command = running.status()["upstreams"]
    assert [each["name"] for each in by_command] == ["api", "admin:api"]
    assert [each["address"] for each in by_command[0]["endpoints"]] == addresses
    assert told(running, "status")["upstreams"][0] == by_command[0]
    text = running.call("status").stdout
    assert sum("weight 1" in line for line in text.splitlines()) == 12_000


@pytest.mark.parametrize(
    ("method", "path", "accept", "status"),
    [
        ("GET", "/api/v1/nothing", "*/*", 404),
        ("GET", "/api/v2/status", "*/*", 404),
        ("POST", "/api/v1/nothing", "*/*", 404),
        ("POST", "/api/v1/status", "*/*", 405),
        ("DELETE", "/api/v1/upstreams", "*/*", 405),
        ("GET", "/api/v1/status", "text/html", 406),
        ("GET", "/api/v1/status", "application/json;q=0, */*", 406),
        ("GET", "/api/v1/status?pretty", "application/*;q=0.5, text/html", 200),
        ("HEAD", "/api/v1/routes", "text/html, */*;q=0.1", 200),
    ],
)
def test_what_is_not_told_is_answered_in_json_too(
    tidegate: Tidegate, backend: Backends, method: str, path: str, accept: str, status: int
) -> None:
    running = tidegate.run(with_admin(backend().address))
    answer = get(running, path, f"Accept: {accept}", method=method)
    assert (answer.status, answer.field("content-type")) == (status, "application/json")
    assert answer.field("allow") == ("GET, HEAD" if status == 405 else None)
    if method != "HEAD":
        assert ("error" in json.loads(answer.body)) == (status != 200)

"""Endpoints changed while requests go on: none fails, and what was asked outlives reloads and supervisors."""

import json
import os
import pwd
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.peers.backend import Backend
from tests.peers.load import Load
from tests.peers.messages import head, post
from tests.peers.tidegate import Running, Tidegate
from tests.peers.waiting import until
from tests.scenarios.test_endpoints import answers, named

Backends = Callable[..., Backend]


def configured(tidegate: Tidegate, *addresses: str, token: Path | None = None) -> Running:
    """An instance with these endpoints, from a file that may be written again."""
    running = tidegate.prepare("")
    write(running, *addresses, token=token)
    return running.start()


def write(running: Running, *endpoints: Any, token: Path | None = None) -> None:
    """Write the file anew."""
    admin = "" if token is None else f"admin: {{bind: '127.0.0.1:0', token: !secret file:{token}}}\n"
    running.write(
        f"state: {running.state}\n{admin}listeners: {{web: {{bind: '127.0.0.1:0'}}}}\nroutes: [{{to: api}}]\n"
        f"upstreams: {{api: {{endpoints: {json.dumps(list(endpoints))}}}}}\n"
    )


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """The admin's token."""
    path = tmp_path / "token"
    path.write_text("hush\n")
    return path


def listed(running: Running) -> dict[str, dict[str, Any]]:
    """The endpoints of the upstream, by address."""
    told = json.loads(running.call("endpoints", "list", "api", "--json").stdout)
    return {each["address"]: each for each in told["upstreams"][0]["endpoints"]}


def test_a_drained_endpoint_gets_nothing_until_it_is_resumed(tidegate: Tidegate, backend: Backends) -> None:
    one, two = named(backend, "one"), named(backend, "two")
    running = configured(tidegate, one.address, two.address)
    done = running.call("endpoints", "drain", "api", one.address, "--wait", "5")
    assert (done.returncode, done.stdout) == (0, f"{one.address} of api takes no new work\n")
    assert answers(running, 10) == {"two": 10}
    assert listed(running)[one.address]["asked"] == "drained"
    assert running.call("endpoints", "resume", "api", one.address).returncode == 0
    assert answers(running, 10) == {"one": 5, "two": 5}


def test_endpoints_come_go_and_weigh_without_a_reload(tidegate: Tidegate, backend: Backends) -> None:
    one, two = named(backend, "one"), named(backend, "two")
    running = configured(tidegate, one.address)
    number = running.status()["snapshot"]["number"]
    running.call("endpoints", "add", "api", two.address, "--weight", "3")
    assert answers(running, 40) == {"one": 10, "two": 30}
    running.call("endpoints", "weight", "api", two.address, "1")
    assert answers(running, 40) == {"one": 20, "two": 20}
    running.call("endpoints", "remove", "api", one.address)
    assert answers(running, 10) == {"two": 10}
    running.call("endpoints", "reset", "api", one.address)
    running.call("endpoints", "remove", "api", two.address)
    assert answers(running, 10) == {"one": 10}
    assert running.status()["snapshot"]["number"] == number


def test_the_log_has_who_asked(tidegate: Tidegate, backend: Backends, token: Path) -> None:
    one, two = named(backend, "one"), named(backend, "two")
    running = configured(tidegate, one.address, two.address, token=token)
    running.call("endpoints", "drain", "api", one.address)
    user = re.escape(f"asked by user {pwd.getpwuid(os.geteuid()).pw_name} (uid {os.geteuid()})")
    running.supervisor.wait_for_line(f"{one.address} of api takes no new work, {user}")
    change, allowed = {"action": "resume", "address": one.address}, "Authorization: Bearer hush"
    ask(running, "/api/v1/upstreams/api/endpoints", change, allowed, "X-Forwarded-For: 10.9.9.9")
    running.supervisor.wait_for_line(f"{one.address} of api takes work again, asked by the API from 127.0.0.1$")


def test_what_was_asked_outlives_reload_and_restart_until_the_file_says_otherwise(
    tidegate: Tidegate, backend: Backends
) -> None:
    one, two, three = (named(backend, name) for name in ("one", "two", "three"))
    running = configured(tidegate, one.address, two.address)
    running.call("endpoints", "drain", "api", one.address)
    running.call("endpoints", "add", "api", three.address)
    assert running.call("reload").returncode == 0
    assert answers(running, 10) == {"two": 5, "three": 5}
    running.stop()
    running.start()
    assert answers(running, 10) == {"two": 5, "three": 5}
    write(running, {"address": one.address, "weight": 2}, two.address)
    assert running.call("reload").returncode == 0
    assert answers(running, 40) == {"one": 20, "two": 10, "three": 10}


def test_endpoints_that_come_and_go_all_the_time_lose_no_request(
    tidegate: Tidegate, backend: Backends, load: Load, token: Path
) -> None:
    one, two, three = (named(backend, name) for name in ("one", "two", "three"))
    running = configured(tidegate, one.address, two.address, token=token)
    place, allowed = "/api/v1/upstreams/api/endpoints", "Authorization: Bearer hush"
    with (
        load.steady(f"{running.url}/a", connections=5) as kept,
        load.steady(f"{running.url}/a", connections=5, request=lambda path: post(path, b"x" * 5000)) as posts,
    ):
        for number in range(60):
            for action, address in [("add", three.address), ("drain", two.address)]:
                undo = {"add": "remove", "drain": "resume"}[action]
                change = {"action": undo if number % 2 else action, "address": address}
                assert ask(running, place, change, allowed)[0] == 200
            kept.wait_for(2)
            posts.wait_for(2)
    assert (kept.failures, posts.failures) == ([], [])
    assert len(three.requests) > 10


def test_a_supervisor_that_is_killed_forgets_nothing(tidegate: Tidegate, backend: Backends) -> None:
    one, two = named(backend, "one"), named(backend, "two")
    running = configured(tidegate, one.address, two.address)
    running.call("endpoints", "drain", "api", one.address)
    running.kill_supervisor()
    assert answers(running, 4) == {"two": 4}
    running.start()
    assert answers(running, 4) == {"two": 4}
    running.call("endpoints", "reset", "api", one.address)
    assert answers(running, 4) == {"one": 2, "two": 2}


def test_what_cannot_be_kept_is_not_done(tidegate: Tidegate, backend: Backends) -> None:
    one, two = named(backend, "one"), named(backend, "two")
    running = configured(tidegate, one.address, two.address)
    (running.state / "endpoints.json").mkdir()  # nothing can take its place
    done = running.call("endpoints", "drain", "api", one.address)
    assert done.returncode == 1
    assert "it could not be kept in the state folder: Is a directory" in done.stderr
    assert answers(running, 10) == {"one": 5, "two": 5}
    assert listed(running)[one.address]["asked"] == "ready"


def test_an_endpoint_that_comes_back_has_the_weight_of_the_file(tidegate: Tidegate, backend: Backends) -> None:
    one, two = named(backend, "one"), named(backend, "two")
    running = tidegate.prepare("")
    write(running, {"address": one.address, "weight": 3}, two.address)
    running.start()
    running.call("endpoints", "remove", "api", one.address)
    assert answers(running, 4) == {"two": 4}
    running.call("endpoints", "add", "api", one.address)
    assert answers(running, 40) == {"one": 30, "two": 10}
    assert json.loads(running.call("endpoints", "list", "--json").stdout)["upstreams"][0]["overrides"] == []


def test_a_dry_run_changes_nothing(tidegate: Tidegate, backend: Backends) -> None:
    one, two = named(backend, "one"), named(backend, "two")
    running = configured(tidegate, one.address, two.address)
    said = running.call("endpoints", "remove", "api", one.address, "--dry-run").stdout
    assert said == f"would be done: {one.address} of api was removed\n"
    assert answers(running, 10) == {"one": 5, "two": 5}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["drain", "apo", "{one}"], "there is no upstream `apo`; did you mean `api`?"),
        (["drain", "api", "10.9.9.9:1"], "upstream `api` has no endpoint 10.9.9.9:1"),
        (["add", "api", "{one}"], "upstream `api` has {one} already; `weight` and `resume` change it"),
        (["add", "api", "nonsense"], "`address`"),
        (["add", "api", "backend.test:80"], "is a DNS name; give one of its addresses, or put the name in the file"),
        (["weight", "api", "{one}", "70000"], "`weight`"),
    ],
)
def test_what_cannot_be_done_is_told(tidegate: Tidegate, backend: Backends, words: list[str], says: str) -> None:
    one = named(backend, "one")
    running = configured(tidegate, one.address)
    done = running.call("endpoints", *(word.format(one=one.address) for word in words))
    assert done.returncode == 1
    assert says.format(one=one.address) in done.stderr
    assert answers(running, 3) == {"one": 3}


def ask(running: Running, path: str, body: Any, *fields: str, method: str = "POST") -> tuple[int, dict[str, Any]]:
    """Ask the API for a change."""
    content = json.dumps(body).encode()
    admin = running.address("admin")
    with running.connect("admin") as client:
        told = client.ask(head(method, path, *fields, f"Content-Length: {len(content)}", host=admin) + content)
        return told.status, json.loads(told.body)


def test_the_api_changes_endpoints_for_whoever_has_the_token(
    tidegate: Tidegate, backend: Backends, token: Path
) -> None:
    one, two = named(backend, "one"), named(backend, "two")
    running = configured(tidegate, one.address, two.address, token=token)
    place = "/api/v1/upstreams/api/endpoints"
    change = {"action": "drain", "address": one.address}
    assert ask(running, place, change)[0] == 401
    assert ask(running, place, change, "Authorization: Bearer wrong")[0] == 401
    assert answers(running, 4) == {"one": 2, "two": 2}
    allowed = "Authorization: Bearer hush"
    assert ask(running, place, change, allowed)[1]["says"] == "takes no new work"
    assert answers(running, 4) == {"two": 4}
    assert ask(running, place, [], allowed)[0] == 400
    assert ask(running, place, {"action": "explode", "address": one.address}, allowed)[0] == 422
    assert ask(running, place.replace("api/e", "apo/e"), change, allowed)[0] == 404


def test_a_backend_that_registers_stays_as_long_as_it_says_so(
    tidegate: Tidegate, backend: Backends, token: Path
) -> None:
    one, two = named(backend, "one"), named(backend, "two")
    running = configured(tidegate, one.address, token=token)
    place, allowed = "/api/v1/upstreams/api/register", "Authorization: Bearer hush"
    code, told = ask(running, place, {"address": two.address, "ttl": 1.0}, allowed)
    assert (code, told["says"]) == (200, "registered for 1 s")
    assert answers(running, 4) == {"one": 2, "two": 2}
    until(lambda: two.address not in listed(running))
    assert answers(running, 4) == {"one": 4}
    code, told = ask(running, place, {"address": one.address}, allowed)
    assert (code, told["error"]) == (422, f"{one.address} stands in the configuration: it need not register")

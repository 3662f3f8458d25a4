"""Routes led to another upstream step by step under load: back by themselves when it is ill, else to the end."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.load import Load
from tests.peers.messages import head
from tests.peers.tidegate import Running, Tidegate
from tests.scenarios.test_endpoints import answers, named
from tests.scenarios.test_endpoints_live import ask

Backends = Callable[..., Backend]


def configured(old: Backend, new: Backend, to: Any = "old") -> dict[str, Any]:
    """A route to `old`, and an upstream `new` beside it."""
    return {
        "listeners": {"web": {"bind": "127.0.0.1:0"}},
        "routes": [{"name": "all", "to": to}],
        "upstreams": {"old": {"endpoints": [old.address]}, "new": {"endpoints": [new.address]}},
    }


def ill(backend: Backends) -> Backend:
    """A backend that answers with 500."""

    def say(connection: Connection) -> None:
        while request := connection.read_request():
            made.saw(request)
            connection.answer("ill", "500 Internal Server Error")

    made = backend(say)
    return made


def rollout(running: Running) -> dict[str, Any]:
    """How the only rollout stands."""
    [told] = json.loads(running.call("rollout", "status", "--json").stdout)["rollouts"]
    return dict(told)


def start(running: Running, *words: str) -> None:
    """Begin one of the route to `new`."""
    done = running.call("rollout", "start", "all", "--to", "new", *words)
    assert done.returncode == 0, done.stderr


def test_an_ill_upstream_is_left_by_itself(tidegate: Tidegate, backend: Backends, load: Load) -> None:
    old, new = named(backend, "old"), ill(backend)
    running = tidegate.run(configured(old, new))
    with load.steady(f"{running.url}/", connections=5) as seen:
        seen.wait_for(20)
        start(running, "--steps", "20%,100%", "--hold", "30s", "--least", "20")
        line = running.supervisor.wait_for_line("rollout: all was rolled back", within_s=25)
        assert (
            "from new, which had 20 % of the requests: error_rate is 100.00%, which breaks `error_rate < 0.01`" in line
        )
        before = len(new.requests)
        seen.wait_for_successes(200)
        assert len(new.requests) == before
    assert len(seen.failures) == len(new.requests)
    assert len(seen.failures) < 0.5 * seen.successes
    told = rollout(running)
    assert (told["state"], told["share"]) == ("rolled_back", 0)
    assert "because error_rate is 100.00%" in running.call("rollout", "status", "all").stdout


def test_a_slow_upstream_is_left_by_its_baseline(tidegate: Tidegate, backend: Backends, load: Load) -> None:
    def dawdle(connection: Connection) -> None:
        while connection.read_request():
            threading.Event().wait(0.05)
            connection.answer("slow")

    running = tidegate.run(configured(named(backend, "old"), backend(dawdle)))
    with load.steady(f"{running.url}/", connections=5) as seen:
        start(running, "--steps", "30%,100%", "--least", "20", "--guard", "error_rate < 1% and p50 < 5 * baseline")
        line = running.supervisor.wait_for_line("rollout: all was rolled back", within_s=25)
        assert "which breaks `p50 < 5 * baseline`" in line
    assert seen.failures == []


def test_a_well_upstream_gets_all_of_it_and_keeps_it(tidegate: Tidegate, backend: Backends, load: Load) -> None:
    old, new = named(backend, "old"), named(backend, "new")
    running = tidegate.run(configured(old, new))
    with load.steady(f"{running.url}/", connections=5) as seen:
        start(running, "--steps", "10%,50%,100%", "--hold", "1s", "--least", "5")
        running.supervisor.wait_for_line("goes on: new gets 50 % of the requests")
        running.kill_supervisor()  # its successor goes on with the step
        running.start()
        running.supervisor.wait_for_line("goes on: new gets 100 % of the requests")
        running.supervisor.wait_for_line("rollout: all is done: new has 100 % of the requests")
        assert answers(running, 20) == {"new": 20}
        running.reload()
        assert answers(running, 20) == {"new": 20}
    assert seen.failures == []
    assert running.stop() == 0
    running.start()
    assert answers(running, 20) == {"new": 20}
    running.reload(configured(old, new, [{"upstream": "old"}]))
    running.supervisor.wait_for_line("warning rollout: all to new ended: the file changed the route")
    assert answers(running, 20) == {"old": 20}
    assert rollout(running)["state"] == "ended"


def test_one_is_paused_resumed_and_aborted(tidegate: Tidegate, backend: Backends) -> None:
    running = tidegate.run(configured(named(backend, "old"), named(backend, "new")))
    done = running.call("rollout", "start", "all", "--to", "new", "--steps", "100%", "--dry-run")
    assert done.stdout == "would be done: all sends 100 % of its requests to new\n"
    assert answers(running, 10) == {"old": 10}
    start(running, "--steps", "100%")
    assert answers(running, 10) == {"new": 10}
    assert running.call("rollout", "pause", "all").returncode == 0
    assert rollout(running)["state"] == "paused"
    assert running.call("rollout", "pause", "all").returncode == 1
    assert running.call("rollout", "resume", "all").returncode == 0
    assert running.call("rollout", "abort", "all").stdout == "all leads as the file says again, not to new\n"
    assert answers(running, 10) == {"old": 10}
    assert running.call("rollout", "abort", "all").returncode == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["al", "--to", "new"], "there is no route `al` that leads to an upstream; did you mean `all`?"),
        (["all", "--to", "ne"], "there is no upstream `ne`; did you mean `new`?"),
        (["all", "--to", "old"], "`all` leads to `old` already"),
        (["all", "--to", "new", "--steps", "50%,10%"], "`steps` must rise, as 1, 10, 50, 100"),
        (["all", "--to", "new", "--steps", "500%"], "less than or equal to 100"),
        (["all", "--to", "new", "--guard", "errors < 1%"], "there is no figure `errors`"),
        (["all", "--to", "new", "--hold", "0s"], "`hold_s`"),
    ],
)
def test_what_cannot_be_done_is_said(shared: Running, words: list[str], says: str) -> None:
    done = shared.call("rollout", "start", *words)
    assert done.returncode == 1
    assert says in done.stderr


@pytest.fixture(scope="module")
def shared(shared_tidegate: Tidegate, shared_backend: Backends) -> Running:
    """An instance that nothing is changed of."""
    return shared_tidegate.run(configured(named(shared_backend, "old"), named(shared_backend, "new")))


def test_the_api_takes_the_same(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("hush\n")
    running = tidegate.prepare("")
    config = configured(named(backend, "old"), named(backend, "new"))
    text = f"state: {running.state}\nadmin: {{bind: '127.0.0.1:0', token: !secret file:{token}}}\n"
    running.write(text + "\n".join(f"{key}: {json.dumps(value)}" for key, value in config.items()))
    running.start()
    allowed, place = "Authorization: Bearer hush", "/api/v1/rollouts"
    change = {"action": "start", "route": "all", "to": "new", "steps": [100]}
    assert ask(running, place, change)[0] == 401
    code, told = ask(running, place, change, allowed)
    assert (code, told["done"], told["rollout"]["share"]) == (200, True, 100)
    assert ask(running, place, {**change, "hold_s": "x"}, allowed)[0] == 422
    assert ask(running, place, {"action": "pause", "route": "none"}, allowed)[0] == 404
    with running.connect("admin") as client:
        answer = client.ask(head("GET", place, host=running.address("admin")))
    assert json.loads(answer.body)["rollouts"][0]["route"] == "all"

"""A worker whose supervisor is gone, and with it the pipes that both wrote to."""

import json
import subprocess
from collections.abc import Callable

from tests.peers.backend import Backend
from tests.peers.tidegate import COMMAND, Running, Tidegate, read_ready, upstream

Backends = Callable[..., Backend]
ACCESS_LOG = {"threads": 1, "access_log": {"to": "stdout", "format": "json"}}


def ask(running: Running, *paths: str) -> None:
    """Ask for these on one connection; all must be answered."""
    with running.connect() as client:
        for path in paths:
            assert client.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").status == 200


def start_and_lose_the_supervisor(running: Running) -> None:
    """Start it, then kill its supervisor and close the pipes that both wrote to."""
    words = [*COMMAND, "run", str(running.path), "--socket", str(running.socket)]
    first = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert first.stdout is not None
    assert first.stderr is not None
    ready = next(line for line in first.stderr if line.startswith("ready: "))
    running.addresses = read_ready(ready)
    first.kill()
    first.wait()
    first.stdout.close()
    first.stderr.close()


def test_an_adopted_worker_writes_where_its_new_supervisor_does(tidegate: Tidegate, backend: Backends) -> None:
    running = tidegate.prepare(upstream(backend().address) | ACCESS_LOG)
    start_and_lose_the_supervisor(running)
    ask(running, *(f"/alone/{number}" for number in range(200)))
    worker = running.worker_pid
    address = running.address()
    running.start()
    assert (running.worker_pid, running.address()) == (worker, address)
    ask(running, "/adopted")
    running.supervisor.wait_for_line('"path":"/adopted"')
    assert running.stop() == 0
    running.supervisor.wait_for_line("info drain: every connection has ended")
    logged = [json.loads(line)["path"] for line in running.supervisor.lines if line.startswith("{")]
    assert logged == [*(f"/alone/{number}" for number in range(200)), "/adopted"]  # what could not be written waited


def test_a_supervisor_without_streams_adopts_as_well(tidegate: Tidegate, backend: Backends) -> None:
    running = tidegate.prepare(upstream(backend().address) | ACCESS_LOG)
    start_and_lose_the_supervisor(running)
    words = ["sh", "-c", 'exec "$@" 1>&- 2>&-', "sh", *COMMAND, "run", running.path, "--socket", running.socket]
    with subprocess.Popen([str(word) for word in words], start_new_session=True) as silent:
        while running.call("status").returncode != 0:
            assert silent.poll() is None
        ask(running, "/nobody/reads/it")
        assert running.call("stop").returncode == 0
        assert silent.wait(20) == 0

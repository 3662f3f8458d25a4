"""Fixtures for scenarios: each starts real programs, and ends them with the test, which shows what they printed."""

import os
import resource
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.backend import Backend, Handler
from tests.peers.curl import Curl
from tests.peers.haproxy import HAProxy
from tests.peers.load import Load
from tests.peers.name_server import NameServer
from tests.peers.needs import need
from tests.peers.nginx import Nginx
from tests.peers.python_servers import PythonServers
from tests.peers.tidegate import Tidegate
from tests.peers.victim import Victim


def pytest_configure() -> None:
    """Programs that tests start get signals as from a terminal, also where the tests run in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.needs("wrk")`: skip, or fail in CI, where a program is missing."""
    for mark in item.iter_markers("needs"):
        for program in mark.args:
            need(program)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, since root leaves a configuration in Python to `nobody`."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name).resolve()


@pytest.fixture
def tidegate(tmp_path: Path) -> Iterator[Tidegate]:
    """`tidegate.run(upstream(address))` starts an instance."""
    starter = Tidegate(tmp_path)
    yield starter
    starter.end()


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    """`nginx.start(endpoints=2).addresses`."""
    starter = Nginx(tmp_path)
    yield starter
    starter.end()


@pytest.fixture
def haproxy(tmp_path: Path) -> Iterator[HAProxy]:
    """`haproxy.start(to=address)` returns HAProxy's address."""
    starter = HAProxy(tmp_path)
    yield starter
    starter.end()


@pytest.fixture
def python_servers(tmp_path: Path) -> Iterator[PythonServers]:
    """`python_servers.gunicorn()` and `.uvicorn()` return an address."""
    starter = PythonServers(tmp_path)
    yield starter
    starter.end()


@pytest.fixture
def name_server(tmp_path: Path) -> Iterator[NameServer]:
    """`name_server.tell(api=["127.0.0.2"])`: what `api.test` stands for."""
    made = NameServer(tmp_path)
    yield made
    made.end()


@pytest.fixture
def curl(tmp_path: Path) -> Curl:
    """`curl("-T", file, url).status`."""
    return Curl(tmp_path)


@pytest.fixture
def victim() -> Iterator[Callable[[str], Victim]]:
    """`victim("a")` starts a backend in a process of its own, to be stopped or killed."""
    made: list[Victim] = []

    def make(name: str) -> Victim:
        made.append(Victim(name))
        return made[-1]

    yield make
    for each in made:
        each.end()


def backends() -> Iterator[Callable[..., Backend]]:
    """Makes backends, and ends them."""
    made: list[Backend] = []

    def make(handler: Handler | None = None, **options: Any) -> Backend:
        made.append(Backend(handler, **options))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture
def backend() -> Iterator[Callable[..., Backend]]:
    """`backend(handler)` makes a backend inside the test; without a handler it answers with what it received."""
    yield from backends()


@pytest.fixture(scope="module")
def shared_backend() -> Iterator[Callable[..., Backend]]:
    """The same, for backends that all tests of a file share."""
    yield from backends()


@pytest.fixture(scope="module")
def shared_tidegate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tidegate]:
    """For an instance that all tests of a file share, each on connections of its own: a start takes half a second."""
    starter = Tidegate(tmp_path_factory.mktemp("shared"))
    yield starter
    starter.end()


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many descriptors as the machine allows, for the clients in this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def load() -> Load:
    """`with load.steady(url, connections=50) as seen:` counts what clients see."""
    return Load()

"""README.md tells the truth: what it shows first is run as it stands there, but for the ports."""

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.backend import Backend
from tests.peers.messages import get
from tests.peers.tidegate import COMMAND, Running, Tidegate

HOUSE = Path(__file__).parents[2]
README = (HOUSE / "README.md").read_text()
FIRST = re.findall(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^tidegate (.*?)(?: {2,}#.*)?$", README, re.MULTILINE)


@pytest.fixture
def running(tidegate: Tidegate, backend: Callable[..., Backend], monkeypatch: pytest.MonkeyPatch) -> Running:
    """The first configuration, in a folder of its own, with two backends; commands find the only instance there is."""
    one, two = backend(name="one"), backend(name="two")
    text = FIRST[0].replace("127.0.0.1:8080", "127.0.0.1:0")
    text = text.replace("127.0.0.1:9001", one.address).replace("127.0.0.1:9002", two.address)
    running = tidegate.prepare(f"{text}\nthreads: 1\n")
    folder = str(running.folder)
    monkeypatch.setenv("RUNTIME_DIRECTORY", folder)
    monkeypatch.setenv("STATE_DIRECTORY", f"{folder}/state")
    return running.start()


def test_the_first_configuration_is_an_example() -> None:
    (first,) = FIRST
    assert first.splitlines()[1:] == (HOUSE / "examples" / "first.yaml").read_text().splitlines()[1:]


def test_the_first_configuration_serves(running: Running) -> None:
    with running.connect() as client:
        assert client.ask(get("/healthz")).body == b"ok\n"
        answers = [client.ask(get("/")).body for _ in range(4)]
    assert {b'"one"' in body for body in answers} == {True, False}


def test_its_commands_work_as_they_stand_there(running: Running) -> None:
    words = [shlex.split(command) for command in COMMANDS]
    assert [each[0] for each in words] == ["check", "run", "status", "reload", "upgrade", "stop"]
    for each in words:
        if each[0] != "run":  # it runs
            done = subprocess.run([*COMMAND, *each], cwd=running.folder, capture_output=True, timeout=60, check=False)
            assert (done.returncode, done.stderr) == (0, b"")
    assert running.supervisor.wait() == 0


def test_every_file_that_the_tour_names_is_there() -> None:
    tour = (HOUSE / "ARCHITECTURE.md").read_text()
    named = re.findall(r"`((?:[\w.{},-]+/)*[\w.{},-]*\.(?:rs|py))`", tour)
    files = {
        f"/{path.relative_to(HOUSE)}" for kind in ("crates", "python", "tools") for path in (HOUSE / kind).rglob("*.*")
    }
    assert len(named) > 20
    assert [name for each in named for name in spelt_out(each) if not any(is_at(file, name) for file in files)] == []


def spelt_out(name: str) -> list[str]:
    """`a/{b,c}.rs` is `a/b.rs` and `a/c.rs`."""
    before, brace, rest = name.partition("{")
    inside, _, after = rest.partition("}")
    return [before + each + after for each in inside.split(",")] if brace else [name]


def is_at(file: str, name: str) -> bool:
    """Whether a file is the one that is named by the end of its path; `core` and `engine` stand for their crates."""
    return file.endswith("/" + re.sub("^(core|engine)/", r"crates/\1/", name))


def test_every_file_that_it_points_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert {"docs/demo.svg", "docs/demo.png"} <= set(links)
    assert [link for link in links if not (HOUSE / link).exists()] == []


def test_the_picture_of_the_demo_is_small() -> None:
    picture = (HOUSE / "docs" / "demo.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 200_000

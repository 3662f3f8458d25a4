"""Where state and control sockets are, and how the commands find the instance that is meant."""

import socket
from pathlib import Path

import pytest

from tidegate.supervisor import client, control_socket
from tidegate.supervisor.refusal import Refused
from tidegate.supervisor.state import State, instance_name, listen_unix, state_folder


@pytest.mark.parametrize(
    ("given", "environment", "uid", "folder"),
    [
        (Path("/srv/state"), {"STATE_DIRECTORY": "/s"}, 0, "/srv/state"),
        (None, {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, 0, "/var/lib/a"),
        (None, {}, 0, "/var/lib/tidegate/name"),
        (None, {"XDG_STATE_HOME": "/x"}, 1000, "/x/tidegate/name"),
        (None, {"HOME": "/home/a"}, 1000, "/home/a/.local/state/tidegate/name"),
    ],
)
def test_the_state_folder(given: Path | None, environment: dict[str, str], uid: int, folder: str) -> None:
    assert str(state_folder(given, "name", environment, uid)) == folder


@pytest.mark.parametrize(
    ("environment", "uid", "path"),
    [
        ({"RUNTIME_DIRECTORY": "/run/a:/run/b"}, 0, "/run/a/name.sock"),
        ({}, 0, "/run/tidegate/name.sock"),
        ({"XDG_RUNTIME_DIR": "/run/user/1"}, 1, "/run/user/1/tidegate/name.sock"),
        ({}, 1, "/state/control.sock"),
    ],
)
def test_the_control_socket(environment: dict[str, str], uid: int, path: str) -> None:
    assert str(control_socket.path("name", Path("/state"), environment, uid)) == path


def test_a_long_name_keeps_within_what_the_kernel_allows() -> None:
    name = instance_name("/" + "very-long/" * 30 + "tidegate.yaml", "")
    path = control_socket.path(name, Path("/state"), {"XDG_RUNTIME_DIR": "/run/user/1000"}, 1000)
    assert len(str(path)) <= 107
    assert str(path).endswith("tidegate.yaml.sock")


def test_one_instance_is_found_and_of_several_each_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    with pytest.raises(client.NotReached, match="no instance runs here"):
        client.find(None, None)
    dead = listen_unix(str(tmp_path / "dead.sock"))
    dead.close()
    with listen_unix(str(tmp_path / "one.sock")):
        assert client.find(None, None) == tmp_path / "one.sock"
        with listen_unix(str(tmp_path / "two.sock")), pytest.raises(client.Ambiguous, match=r"one\.sock\n.*two\.sock"):
            client.find(None, None)


def test_nobody_there_is_not_reached(tmp_path: Path) -> None:
    with pytest.raises(client.NotReached, match="cannot be reached"):
        client.ask(tmp_path / "none.sock", "status")


def test_a_state_folder_has_one_holder_and_is_ours_alone(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 20) / ("deeper" * 20)
    state = State(folder)
    with pytest.raises(Refused, match="already running as pid"):
        State(folder)
    state.write("worker.json", {"pid": 1})
    assert state.read("worker.json") == {"pid": 1}
    (folder / "worker.json").write_text("[half")
    assert state.read("worker.json") is None
    with state.listen("worker-1.sock"), socket.socket(socket.AF_UNIX) as peer:  # longer than 108 bytes in full
        peer.connect(state.short("worker-1.sock"))

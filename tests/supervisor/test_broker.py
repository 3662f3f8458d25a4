"""The broker answers for what the configuration could name, and for nothing else."""

import json
import os
import pwd
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegate.config.listener import Bind
from tidegate.config.load import load_text
from tidegate.supervisor.broker import Broker, serve
from tidegate.supervisor.refusal import Refused
from tidegate.supervisor.sockets import name_of

USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[socket.socket]:
    """The supervisor's end of the socket to a broker, whose configuration lies in `tmp_path / etc`."""
    folder = tmp_path / "etc"
    folder.mkdir()
    text = f"pid_file: {tmp_path}/pid\nlisteners: {{web: {{bind: '127.0.0.1:0'}}}}\nroutes: [{{to: api}}]\n"
    text += f"user: {USER}\naccess_log: {{to: {tmp_path}/access.log}}\n"
    text += f"admin: {{bind: ':0', token: !secret file:{tmp_path}/key}}\n"
    cookie = f"{{name: srv, secret: [!secret file:{tmp_path}/new, !secret file:{tmp_path}/old]}}"
    text += f"upstreams: {{api: {{endpoints: ['127.0.0.1:9'], persist: {{cookie: {cookie}}}}}}}\n"
    config = load_text(text).config
    assert config is not None
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    serving = threading.Thread(target=serve, args=(theirs, config, folder, os.getpid()))
    serving.start()
    yield ours
    ours.close()
    serving.join(10)
    theirs.close()
    assert not (tmp_path / "pid").exists()


def test_it_binds_addresses(wire: socket.socket, tmp_path: Path) -> None:
    broker = Broker(wire)
    sockets = broker.bind(Bind.model_validate("127.0.0.1:0"), 3)
    assert (len(sockets), len({name_of(sock) for sock in sockets})) == (3, 1)
    (unix,) = broker.bind(Bind.model_validate({"address": f"unix:{tmp_path}/web.sock", "mode": "0620"}), 1)
    with pytest.raises(Refused, match="another program answers"):
        broker.bind(Bind.model_validate(f"unix:{tmp_path}/web.sock"), 1)
    for sock in [*sockets, unix]:
        sock.close()


def test_it_opens_secrets_of_the_configuration_and_files_beside_it(wire: socket.socket, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hush")
    (tmp_path / "etc" / "other").write_text("more")
    (tmp_path / "etc" / "away").symlink_to("/etc/hostname")
    broker = Broker(wire)
    (tmp_path / "old").write_text("still known")
    assert broker.read_secret(f"{tmp_path}/key") == b"hush"
    assert broker.read_secret(f"{tmp_path}/old") == b"still known"
    assert broker.read_secret(f"{tmp_path}/etc/other") == b"more"
    for path in ("/etc/hostname", f"{tmp_path}/etc/../../x", f"{tmp_path}/etc/away", "relative", ""):
        with pytest.raises(Refused, match="neither beside the configuration nor a secret"):
            broker.read_secret(path)


def test_it_writes_the_pid_file_of_the_configuration(wire: socket.socket, tmp_path: Path) -> None:
    Broker(wire).write_pid_file()
    assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"


def test_it_makes_the_access_log_of_the_configuration_and_gives_nothing_away_that_is_there(
    wire: socket.socket, tmp_path: Path
) -> None:
    log, secret = tmp_path / "access.log", tmp_path / "secret"
    secret.write_text("hush")
    Broker(wire).make_access_log()
    assert (log.owner(), log.read_text(), log.stat().st_mode & 0o777) == (USER, "", 0o640)
    log.unlink()
    log.symlink_to(secret)
    before = secret.stat()
    Broker(wire).make_access_log()
    assert (secret.stat().st_uid, secret.stat().st_mode) == (before.st_uid, before.st_mode)


@pytest.mark.parametrize(
    "asked",
    [
        b"junk",
        b"[]",
        b"{}",
        b'{"do": "shell", "words": ["id"]}',
        b'{"do": "bind"}',
        b'{"do": "bind", "address": "nonsense", "count": 1}',
        b'{"do": "bind", "address": "127.0.0.1:0", "count": "many"}',
        b'{"do": "open", "path": 5}',
        b'{"do": "open", "path": "/a\\u0000b"}',
        b"[" * 50_000,
    ],
)
def test_what_it_does_not_know_is_refused_and_it_goes_on(wire: socket.socket, asked: bytes) -> None:
    wire.send(asked)
    answer, descriptors, _, _ = socket.recv_fds(wire, 65_536, 64)
    assert (json.loads(answer).keys(), descriptors) == ({"error"}, [])
    Broker(wire).write_pid_file()

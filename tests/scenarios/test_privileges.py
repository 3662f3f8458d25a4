"""Started as root with `user:`: a small broker keeps root's rights, all the rest is that user's."""

import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TextIO

import pytest

from tests.peers.backend import Backend
from tests.peers.sockets import address_of
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.waiting import until
from tests.telling.asking import ask_many, datagrams

Backends = Callable[..., Backend]
GET = "GET /a HTTP/1.1\r\nHost: api\r\n\r\n"


@pytest.fixture
def as_nobody(backend: Backends) -> Iterator[Callable[..., Running]]:
    """`as_nobody(access_log={...})` prepares an instance that becomes nobody, in a folder that nobody may enter."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    try:
        subprocess.run([sys.executable, "-c", "import tidegate"], user=65534, group=65534, extra_groups=[], check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the user nobody cannot run this Python, which lies in a folder of root's alone")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        starter = Tidegate(folder)

        def prepare(**keys: object) -> Running:
            config: Config = upstream(backend().address) | {"user": pwd.getpwuid(65534).pw_name, **keys}
            return starter.prepare(config)

        yield prepare
        starter.end()


def test_root_keeps_a_broker_and_the_rest_runs_as_the_user(as_nobody: Callable[..., Running]) -> None:
    proxy = as_nobody().start()
    for pid in (proxy.supervisor.pid, proxy.worker_pid):
        with open(f"/proc/{pid}/status") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        assert status["Uid"].split() == ["65534"] * 4
        assert status["NoNewPrivs"] == "1"
    with proxy.connect() as client:
        assert client.ask(GET).status == 200
    proxy.reload()
    assert proxy.stop() == 0


def test_a_new_supervisor_adopts_the_users_worker(as_nobody: Callable[..., Running]) -> None:
    proxy = as_nobody().start()
    worker = proxy.worker_pid
    proxy.kill_supervisor()
    proxy.start()
    assert proxy.worker_pid == worker
    with proxy.connect() as client:
        assert client.ask(GET).status == 200


def test_after_an_upgrade_it_is_still_the_user_and_the_broker_still_binds(as_nobody: Callable[..., Running]) -> None:
    proxy = as_nobody(pid_file="tidegate.pid").start()
    pid, worker = proxy.supervisor.pid, proxy.worker_pid
    done = proxy.call("upgrade")
    assert done.returncode == 0, done.stderr
    assert proxy.worker_pid != worker
    for each in (pid, proxy.worker_pid):
        assert f"Uid:{'	65534' * 4}\n" in Path(f"/proc/{each}/status").read_text()
    config = json.loads(proxy.path.read_text())
    config["listeners"]["more"] = {"bind": f"unix:{proxy.folder}/more.sock"}  # in a folder where only root may
    proxy.reload(config)
    proxy.addresses["more"] = f"unix:{proxy.folder}/more.sock"
    with proxy.connect("more") as client:
        assert client.ask(GET).status == 200
    assert proxy.stop() == 0
    assert not (proxy.folder / "tidegate.pid").exists()


def test_an_access_log_in_a_folder_of_roots_is_made_for_the_user_and_again_after_it_was_renamed(
    as_nobody: Callable[..., Running],
) -> None:
    proxy = as_nobody(access_log={"to": "access.log"})
    log = proxy.folder / "access.log"
    proxy.start()
    for name in ("access.log.1", "access.log.2"):
        with proxy.connect() as client:
            assert client.ask(GET).status == 200
        until(lambda: '"path":"/a"' in log.read_text())
        log.rename(proxy.folder / name)
        proxy.supervisor.send(signal.SIGUSR1)
        until(log.exists)
        assert log.owner() == "nobody"


def test_an_access_log_that_only_root_may_write_is_refused(as_nobody: Callable[..., Running]) -> None:
    proxy = as_nobody(access_log={"to": "access.log"})
    log = proxy.folder / "access.log"
    log.touch(0o600)
    with pytest.raises(AssertionError, match="cannot be written by `nobody`: Permission denied; make it that user's"):
        proxy.start()
    assert proxy.supervisor.wait() == 4
    assert log.stat().st_uid == 0


@contextmanager
def receiver(kind: str, folder: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Where lines may go beside a file: what `to` says of it, and what gives the next of its lines."""
    path = str(folder / "log.sock")
    if kind in ("udp", "unix datagrams"):
        with datagrams(("127.0.0.1", 0) if kind == "udp" else path) as server:
            if kind != "udp":
                os.chmod(path, 0o666)
            to = f"syslog:{address_of(server)}" if kind == "udp" else f"unix:{path}"
            yield to, lambda: server.recv(1 << 16).decode()
        return
    with ExitStack() as ends:
        if kind == "tcp":
            server = ends.enter_context(socket.create_server(("127.0.0.1", 0)))
        else:
            server = ends.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(path)
            os.chmod(path, 0o666)
            server.listen()
        server.settimeout(10)

        @cache
        def stream() -> TextIO:
            connection = ends.enter_context(server.accept()[0])
            connection.settimeout(10)
            return ends.enter_context(connection.makefile())

        yield f"syslog:{address_of(server)}" if kind == "tcp" else f"unix:{path}", lambda: stream().readline()


@pytest.mark.parametrize("kind", ["udp", "tcp", "unix datagrams", "unix stream"])
def test_lines_go_to_where_the_user_may_send_them(kind: str, as_nobody: Callable[..., Running], folder: Path) -> None:
    with receiver(kind, folder) as (to, next_line):
        syslog = {"syslog": {"transport": kind}} if kind in ("udp", "tcp") else {}
        proxy = as_nobody(access_log={"to": to, **syslog}, threads=1).start()
        ask_many(proxy, 0, 3)
        proxy.reload()
        ask_many(proxy, 3, 5)
        lines = [next_line() for _ in range(5)]
        assert [re.findall(r'"path":"/(\d)"', line) for line in lines] == [[str(number)] for number in range(5)]
        assert all(line.startswith("<190>1 ") for line in lines) == bool(syslog)


def test_a_socket_that_only_root_may_write_is_told_and_nobody_waits_for_it(
    as_nobody: Callable[..., Running], folder: Path
) -> None:
    path = folder / "log.sock"
    with datagrams(str(path)) as server:
        path.chmod(0o600)
        proxy = as_nobody(access_log={"to": f"unix:{path}"}, threads=1).start()
        ask_many(proxy, 0, 3)
        proxy.supervisor.wait_for_line(f"cannot write the access log to unix:{path}: Permission denied")
        path.chmod(0o666)
        proxy.supervisor.send(signal.SIGUSR1)
        ask_many(proxy, 3, 4)
        assert [json.loads(server.recv(1 << 16))["path"] for _ in range(4)] == [f"/{number}" for number in range(4)]


IN_PYTHON = """\
import os
from tidegate import *
who = Respond(body=f"{os.getuid()} {os.geteuid()} {os.getgid()} {os.getgroups()}")
config = Config(threads=1, state=STATE, user=USER, listeners={"web": Listener(bind="127.0.0.1:0")}, routes=[
    Route(respond=who), Route(match={"path": PATH}, respond={"status": 204}),
])
"""


def in_python(proxy: Running, path: str, user: str | None = None) -> str:
    """A configuration in Python that answers with who has run it."""
    names = {"STATE": repr(str(proxy.state)), "PATH": repr(path), "USER": repr(user)}
    return re.sub("STATE|PATH|USER", lambda name: names[name[0]], IN_PYTHON)


def who_ran_it(proxy: Running) -> str:
    """What the configuration has found out."""
    with proxy.connect() as client:
        return client.ask(GET).body.decode()


@pytest.fixture
def as_root(folder: Path) -> Iterator[Running]:
    """An instance that root starts from a Python file, in a folder that everybody may enter."""
    if os.geteuid() != 0:
        pytest.skip("only root has rights that a configuration could have")
    starter = Tidegate(folder)
    proxy = starter.prepare("")
    proxy.path = proxy.folder / "gate.py"
    yield proxy
    starter.end()


NOBODY = "65534 65534 65534 []"


def test_a_configuration_in_python_runs_as_nobody_where_root_names_no_user(as_root: Running) -> None:
    as_root.write(in_python(as_root, "/one"))
    as_root.start()
    assert who_ran_it(as_root) == NOBODY
    with open(f"/proc/{as_root.supervisor.pid}/status") as file:
        assert "Uid:\t0\t0\t0\t0\n" in file.read()
    as_root.reload(in_python(as_root, "/two"))
    assert who_ran_it(as_root) == NOBODY
    (as_root.folder / "token").touch(0o600)
    as_root.write("open('token')\n" + in_python(as_root, "/three"))
    refused = as_root.call("reload")
    assert refused.returncode == 1
    assert "PermissionError" in refused.stderr
    assert "this file runs as `nobody`, who must be able to read what it reads" in refused.stderr


def test_a_configuration_in_python_is_read_again_as_the_user_of_the_instance(
    as_nobody: Callable[..., Running],
) -> None:
    proxy = as_nobody()
    proxy.path = proxy.folder / "gate.py"
    proxy.write(in_python(proxy, "/one", pwd.getpwuid(65534).pw_name))
    proxy.start()
    assert who_ran_it(proxy) == NOBODY
    proxy.reload(in_python(proxy, "/two", pwd.getpwuid(65534).pw_name))
    assert who_ran_it(proxy).split()[:3] == NOBODY.split()[:3]

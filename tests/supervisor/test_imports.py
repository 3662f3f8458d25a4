"""Nothing is imported once an instance is ready, whatever is asked or fails: an upgrade replaces files under it.

Each test does one kind of thing to an instance whose launcher tells of every import after `ready`, and then ends it.
"""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.peers.certificate import make_certificate
from tests.peers.list_server import ListServer
from tests.peers.name_server import NameServer
from tests.supervisor.conftest import Small

NAMES = ["no.such.name.invalid:1", "127.0.0.1:9", "localhost:2"]


@pytest.fixture
def registry() -> Iterator[ListServer]:
    """A server of lists."""
    made = ListServer()
    yield made
    made.end()


@pytest.fixture
def instance(small: Callable[[], Small]) -> Iterator[Small]:
    """An instance that is not started yet; at the end it is stopped, and must have imported nothing."""
    instance = small().write()
    yield instance
    if instance.process.popen.poll() is None:
        assert instance.call("stop").returncode == 0
        assert instance.process.wait(30) == 0
    for each in instance.supervisors:
        assert [line for line in each.lines if line.startswith(("IMPORTED", "Traceback"))] == []


def test_the_launcher_tells_of_imports(small: Callable[[], Small]) -> None:
    instance = small().write().start(environment={"IMPORT_AFTER_READY": "colorsys"})
    instance.wait_for("^IMPORTED colorsys")


def reload(instance: Small, code: int) -> None:
    """Reload, and find that it went so."""
    done = instance.call("reload")
    assert done.returncode == code, done.stderr


def test_reloads_that_succeed(instance: Small) -> None:
    instance.start("--watch")
    instance.write(threads=2, log={"level": "debug", "format": "json"}, pid_file="no/such/folder/pid", user="other")
    instance.wait_for(r"reload \(--watch\)")
    more = {"web": {"bind": "127.0.0.1:0"}, "more": {"bind": [f"unix:{instance.folder}/more.sock", "[::1]:0"]}}
    instance.write(listeners=more, admin={"bind": f"unix:{instance.folder}/admin.sock"})
    reload(instance, 0)
    instance.write(access_log={"to": "access.log"})
    reload(instance, 0)
    (instance.folder / "part.yaml").write_text("upstreams: {more: {endpoints: ['127.0.0.1:9']}}\n")
    instance.write(include=["*.yaml.part", "part.yaml"])
    reload(instance, 0)


REFUSED = [
    'listeners: {web: {bind: "x", limitz: 5}}\n',
    "a: [",
    "routes: [{to: nobody}]\n",
    "\x00",
    "- 1\n",
    "access_log: {to: no/such/folder/access.log}\n",
    "admin: {bind: 'unix:a.sock', token: !secret file:no-such-token}\n",
    "admin: {bind: 'unix:a.sock', token: !secret env:NO_SUCH_TOKEN}\n",
    "include: [no-such-file.yaml]\n",
    "listeners: {web: {bind: '${NO_SUCH_VARIABLE}'}}\n",
    "listeners: {web: {bind: 'unix:no/such/folder/web.sock'}}\n",
    "listeners: {web: {bind: '192.0.2.1:0'}}\n",
    "upstreams: {a: {endpoints: ['127.0.0.1:9'], balance: least_request}}\n",
    "routes: [{match: {path: {regex: '('}}, respond: {}}]\n",
]


def test_reloads_that_are_refused(instance: Small) -> None:
    instance.start()
    for text in REFUSED:
        instance.path.write_text(text)
        reload(instance, 1)


def test_reloads_that_the_worker_or_the_machine_refuses(instance: Small) -> None:
    instance.start()
    instance.write(routes=[{"name": "refused", "to": "api"}])
    reload(instance, 1)
    instance.write(listeners={"web": {"bind": "127.0.0.1:0"}, "taken": {"bind": instance.addresses["web"]}})
    reload(instance, 1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        instance.write(listeners={"web": {"bind": "127.0.0.1:0"}, "taken": {"bind": f"127.0.0.1:{port}"}})
        reload(instance, 1)
    instance.path.unlink()
    reload(instance, 1)


def test_a_worker_that_dies_babbles_or_stands_still(instance: Small) -> None:
    instance.start()
    os.kill(instance.worker, signal.SIGKILL)
    instance.wait_for(r"was ended by SIGKILL.*; another is started")
    instance.wait_for(r"the worker with pid \d+ serves")
    instance.write(routes=[{"name": "dies", "to": "api"}])
    reload(instance, 1)
    dead = instance.wait_for("exited with 7; another is started")
    instance.process.wait_for_line(r"the worker with pid \d+ serves", after=instance.process.lines.index(dead))
    instance.write(routes=[{"name": "babbles", "to": "api"}])
    reload(instance, 1)
    instance.wait_for("the connection to the worker with pid .* was lost, and is there again")
    os.kill(instance.worker, signal.SIGSTOP)
    assert instance.status()["worker"] is None  # it did not answer in time
    instance.wait_for("its last words: it did not beat for 10 s")


@pytest.mark.parametrize("protocol", [1, 0, 7])
def test_another_supervisor_takes_over(instance: Small, protocol: int) -> None:
    instance.write(upstreams={"api": {"endpoints": NAMES}}).start()
    old = instance.worker
    instance.process.send(signal.SIGKILL)
    instance.process.wait()
    record = instance.state / "worker.json"
    record.write_text(record.read_text().replace('"protocol": 1', f'"protocol": {protocol}'))
    instance.start()
    reload(instance, 0)
    if protocol == 0:
        with suppress(ProcessLookupError):  # it may have drained by now
            os.kill(old, signal.SIGKILL)
        instance.wait_for(f"the worker with pid {old}, generation 1, ended")
    os.kill(instance.worker, signal.SIGKILL)
    instance.wait_for(r"the worker with pid \d+ serves")


@pytest.mark.needs("dnsmasq")
def test_names_whose_addresses_change(instance: Small, name_server: NameServer) -> None:
    name_server.tell(api=["127.0.0.2"])
    instance.write(upstreams={"api": {"endpoints": ["api.test:9", *NAMES]}}).start(environment=name_server.environment)
    name_server.tell(api=["127.0.0.2", "127.0.0.3", "::1"])
    instance.wait_for("added .*, drained none")
    name_server.tell()
    instance.wait_for("the last good answer is kept")
    instance.write(upstreams={"api": {"endpoints": ["other.test:9"]}})
    reload(instance, 0)
    name_server.tell(other=["127.0.0.4"])
    instance.wait_for("added 127.0.0.4:9")


@pytest.mark.needs("dnsmasq", "openssl")
def test_providers_that_change_and_fail(instance: Small, registry: ListServer, name_server: NameServer) -> None:
    path = instance.folder / "endpoints.yaml"
    path.write_text("[]")
    registry.tell("127.0.0.1:9")
    name_server.tell_service("_http._tcp.api.test", "a.test,80")
    endpoints = [{"file": str(path)}, {"url": registry.url, "interval": "50ms"}, {"srv": "_http._tcp.api.test"}]
    instance.write(upstreams={"api": {"endpoints": endpoints}}).start(environment=name_server.environment)
    path.write_text("- 127.0.0.1:7\n")
    instance.wait_for(f"file:{path}: added")
    path.write_text("- 127.0.0.1:x\n- {wait: 5}\n")
    instance.wait_for("its list is wrong")
    registry.chunked = True
    registry.tell({"address": "b.test:9", "weight": 2})
    instance.wait_for("added b.test:9; drained 127.0.0.1:9")
    registry.tell({"weight": 2})
    instance.wait_for(f"{registry.url}: the last good list is kept: its list is wrong")
    registry.end()
    instance.wait_for(f"{registry.url}: the last good list is kept: .* cannot be connected to")
    name_server.tell_service("_http._tcp.api.test", "c.test,80,1,1", "b.test,81,2,2")
    instance.wait_for("srv:_http._tcp.api.test: added c.test:80, b.test:81; drained a.test:80")
    secure = {"url": registry.url.replace("http:", "https:"), "interval": "50ms"}
    instance.write(upstreams={"api": {"endpoints": [secure, {"srv": "_none._tcp.test"}]}})
    reload(instance, 0)
    instance.wait_for("srv:_none._tcp.test: there is no list")
    stranger = ListServer(certificate=make_certificate(instance.folder))
    instance.write(upstreams={"api": {"endpoints": [{"url": stranger.url.replace("http:", "https:")}]}})
    reload(instance, 0)
    instance.wait_for("its certificate is not trusted")
    stranger.end()


def test_signals(instance: Small, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        instance.start(environment={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        for number, line in (
            (signal.SIGUSR1, "logs were reopened"),
            (signal.SIGUSR2, "is tried"),
            (signal.SIGHUP, r"reload \(SIGHUP\)"),
        ):
            instance.process.send(number)
            instance.wait_for(line)


@pytest.mark.parametrize("ends", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGTERM, signal.SIGTERM)], ids=str)
def test_ends(instance: Small, ends: tuple[signal.Signals, ...]) -> None:
    instance.write(drain={"timeout": "60s" if len(ends) > 1 else "1s"}).start()
    for number in ends:
        instance.process.send(number)
        instance.wait_for("draining")
    assert instance.process.wait(30) == 0


def test_an_end_whose_worker_is_killed(instance: Small) -> None:
    instance.write(drain={"timeout": "60s"}).start()
    instance.process.send(signal.SIGTERM)
    instance.wait_for("draining")
    assert instance.call("reload").returncode == 1  # the instance is ending
    os.kill(instance.worker, signal.SIGKILL)
    assert instance.process.wait(30) == 0


REQUESTS = [
    b"GET /api/v1/status HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /api/v1/other HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /api/v1/status HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
    b"nonsense\xff\r\n\r\n",
    b"GET /api/v1/st",
    b"x" * 100_000,
]


def test_api_requests(instance: Small) -> None:
    instance.start()
    for says in REQUESTS:
        talk(instance.state / "api.sock", says)


FRAMES = [
    b"",
    b"\0\0",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\0\0\0\x04junk",
    b"\0\0\0\x02[]",
    b"\0\0\0\x02{}",
    b'\0\0\0\x15{"command":"unheard"}',
    b'\0\0\0\x14{"command":"reopen"}',
    b'\0\0\0\x14{"command":"status"}',
    *(
        len(body).to_bytes(4) + body
        for body in (
            b'{"command":"endpoints"}',
            b'{"command":"rollouts"}',
            b'{"command":"rollout","with":{"action":"begin"}}',
            b'{"command":"rollout","with":{"action":"start","route":"all","to":"apo"}}',
            b'{"command":"rollout","with":{"action":"start","route":"al","to":"api"}}',
            b'{"command":"endpoints","with":{"action":"drain","upstream":"apo","address":"10.0.0.1:1"}}',
            b'{"command":"endpoints","with":{"action":"add","upstream":"api","address":"10.0.0.1:x"}}',
            b'{"command":"endpoints","with":{"action":"add","upstream":"api","address":"10.0.0.1:1"}}',
            b'{"command":"endpoints","with":{"action":"remove","upstream":"api","address":"10.0.0.1:1"}}',
        )
    ),
]


def test_frames_on_the_control_socket(instance: Small) -> None:
    instance.start()
    for says in FRAMES:
        talk(instance.control, says)


def talk(path: Path, says: bytes) -> None:
    """Say something on a Unix socket, and hear it out."""
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(20)
        stranger.connect(str(path))
        with suppress(BrokenPipeError, ConnectionResetError):  # what is too large is not heard out
            stranger.sendall(says)
            stranger.shutdown(socket.SHUT_WR)
            while stranger.recv(65_536):
                pass


def test_a_configuration_in_python(instance: Small) -> None:
    with TemporaryDirectory() as name:  # everybody may enter it, since root leaves the file to `nobody`
        folder, keys = Path(name), json.loads(instance.path.read_text())
        folder.chmod(0o755)
        instance.path, module = folder / "gate.py", folder / "keys.py"
        text = "import keys, tidegate\nprint('read')\nconfig = tidegate.Config.model_validate(keys.KEYS)\n"
        instance.path.write_text(text)
        module.write_text(f"KEYS = {keys!r}")
        instance.start("--watch")
        module.write_text(f"KEYS = {keys | {'threads': 2}!r}")
        instance.wait_for(r"reload \(--watch\)")
        for wrong in ("1 / 0", "import no_such_module", "tidegate.Config(routes=[{'to': 'nobody'}])", "("):
            instance.path.write_text(f"{text}{wrong}\n")
            reload(instance, 1)
        instance.path.write_text(text)
        reload(instance, 0)


def test_reading_expressions_imports_nothing(instance: Small) -> None:
    def edits(**values: str) -> list[dict[str, object]]:
        return [{"name": "all", "to": "api", "filters": [{"request_headers": {"set": values}}]}]

    sets = {"office": {"values": ["10.0.0.0/8"]}}
    instance.write(sets=sets).start()
    wrong = {"a": "{request.hots}", "b": "{request.host #}", "c": "{(", "d": "{1.5e300}", "e": '{"\\d" + "\u00e9" + 1}'}
    instance.write(routes=edits(**wrong), sets=sets)
    reload(instance, 1)
    instance.write(routes=edits(a='{request.host.lower() + "\\d"}', b="{client.ip} {0.5}"), sets=sets)
    reload(instance, 0)

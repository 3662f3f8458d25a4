"""The life of an instance, with the small worker."""

import json
import os
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.activation import activate
from tests.peers.process import Process
from tests.supervisor.conftest import LAUNCH, ROOT, Small

Make = Callable[[], Small]


def test_a_second_start_says_who_runs_already(small: Make) -> None:
    first = small().write().start()
    second = Process([*LAUNCH, "run", first.path, "--socket", first.folder / "other.sock"], folder=ROOT)
    assert second.wait(20) == 4
    second.wait_for_line(f"already running as pid {first.process.pid}")
    assert first.get() == first.worker


def test_an_address_in_use_is_refused_with_its_holder(small: Make) -> None:
    first = small().write().start()
    second = small().write(listeners={"web": {"bind": first.addresses["web"]}})
    process = Process([*LAUNCH, "run", second.path, "--socket", second.control], folder=ROOT)
    assert process.wait(20) == 4
    process.wait_for_line(f"{first.addresses['web']} cannot be bound: Address already in use.*listens there")
    assert not (second.state / "worker.json").exists()


def test_a_reload_that_does_not_validate_changes_nothing_and_says_why(small: Make) -> None:
    instance = small().write().start()
    worker = instance.worker
    instance.write(thread=2)
    done = instance.call("reload")
    assert done.returncode == 1
    assert "error: unknown key `thread`" in done.stderr
    assert "did you mean `threads`" in done.stderr
    assert instance.status()["snapshot"]["number"] == 1
    assert instance.get() == worker


def test_a_snapshot_that_the_worker_refuses_leaves_no_socket_behind(small: Make) -> None:
    instance = small().write().start()
    fresh = {"web": {"bind": "127.0.0.1:0"}, "more": {"bind": f"unix:{instance.folder}/more.sock"}}
    instance.write(listeners=fresh, routes=[{"name": "refused", "to": "api"}])
    done = instance.call("reload")
    assert (done.returncode, "this route is refused" in done.stderr) == (1, True)
    assert not (instance.folder / "more.sock").exists()
    instance.write(listeners=fresh)
    assert instance.call("reload").returncode == 0
    assert (instance.folder / "more.sock").exists()
    assert instance.status()["snapshot"]["number"] == 2


def test_a_reload_binds_what_is_new_and_closes_what_is_named_no_longer(small: Make) -> None:
    path = small().folder / "web.sock"
    instance = small().write(listeners={"web": {"bind": [f"unix:{path}", "127.0.0.1:0"]}}).start()
    address = instance.addresses["web"]
    assert address == f"unix:{path}"
    instance.write(listeners={"web": {"bind": "127.0.0.1:0"}})
    assert instance.call("reload").returncode == 0
    assert not path.exists()


def test_a_worker_that_is_killed_is_replaced_on_the_same_sockets(small: Make) -> None:
    instance = small().write().start()
    killed = instance.worker
    os.kill(killed, signal.SIGKILL)
    instance.wait_for(f"the worker with pid {killed} was ended by SIGKILL")
    instance.wait_for("serves snapshot 1")
    assert instance.get() == instance.worker != killed


def test_a_worker_that_stands_still_is_killed_and_replaced(small: Make) -> None:
    instance = small().write().start()
    stopped = instance.worker
    os.kill(stopped, signal.SIGSTOP)
    instance.wait_for("its last words: it did not beat for 10 s")
    instance.wait_for("serves snapshot 1")
    assert instance.get() == instance.worker != stopped


def test_a_new_supervisor_adopts_the_worker_its_sockets_and_its_connections(small: Make) -> None:
    instance = small().write(listeners={"web": {"bind": "127.0.0.1:0"}, "more": {"bind": "127.0.0.1:0"}}).start()
    worker, addresses = instance.worker, instance.addresses
    instance.process.send(signal.SIGKILL)
    instance.process.wait()
    assert instance.get() == worker
    instance.start()
    assert (instance.worker, instance.addresses) == (worker, addresses)
    assert instance.status()["snapshot"]["number"] == 2
    assert json.loads((instance.state / "worker.json").read_text())["generation"] == 2
    instance.call("status")
    instance.process.send(signal.SIGUSR1)
    instance.wait_for("small worker: reopened")  # it speaks where the new supervisor does
    os.kill(worker, signal.SIGKILL)  # nobody's child, and yet its end is noticed
    instance.wait_for("serves snapshot 2")
    assert instance.get("more") == instance.worker != worker


def test_a_worker_that_speaks_another_protocol_drains_while_a_new_one_serves(small: Make) -> None:
    instance = small().write(drain={"timeout": "1s"}).start()
    old, addresses = instance.worker, instance.addresses
    instance.process.send(signal.SIGKILL)
    instance.process.wait()
    left = json.loads((instance.state / "worker.json").read_text())
    (instance.state / "worker.json").write_text(json.dumps({**left, "protocol": 0}))
    instance.start()
    assert instance.addresses == addresses
    instance.wait_for(f"the worker with pid {old} speaks another protocol: it drains, and another serves")
    instance.wait_for(f"the worker with pid {old}, generation 1, ended")
    assert instance.get() == instance.worker != old
    assert instance.call("stop").returncode == 0
    assert sorted(each.name for each in instance.state.iterdir()) == ["lock", "snapshot.json"]


def test_a_worker_that_cannot_be_adopted_is_ended_and_replaced(small: Make) -> None:
    instance = small().write().start()
    old = instance.worker
    instance.process.send(signal.SIGKILL)
    instance.process.wait()
    left = json.loads((instance.state / "worker.json").read_text())
    (instance.state / "worker.json").write_text(json.dumps({**left, "protocol": 7}))
    instance.start()
    instance.wait_for(rf"the worker with pid {old} cannot be adopted \(another protocol or generation\): it is ended")
    assert instance.get() == instance.worker != old


def test_an_api_socket_that_is_too_deep_is_told(small: Make) -> None:
    instance = small()
    instance.state = instance.folder / ("deep" * 20)
    instance.write(admin={"bind": f"unix:{instance.folder}/a.sock"}).start()
    instance.wait_for(r"the API is not served under /api: the path of its socket, .*/api.sock, has \d+ bytes")
    assert instance.status()["document"]["upstreams"][-1]["name"] == "api"


@pytest.mark.parametrize("when", ["start", "reload"])
def test_an_access_log_that_cannot_be_written_is_refused(small: Make, when: str) -> None:
    instance = small()
    log = instance.folder / "missing" / "access.log"
    says = f"access_log: {log} cannot be written: No such file or directory"
    if when == "start":
        instance.write(access_log={"to": str(log)})
        process = Process([*LAUNCH, "run", instance.path, "--socket", instance.control], folder=ROOT)
        assert process.wait(20) == 4
        process.wait_for_line(f"^tidegate: {says}$")
        assert not (instance.state / "worker.json").exists()
    else:
        instance.write().start().write(access_log={"to": str(log)})
        done = instance.call("reload")
        assert (done.returncode, done.stderr) == (1, f"{says}\n")
        assert instance.status()["snapshot"]["number"] == 1


def test_a_proxy_says_who_has_its_address_and_that_it_runs_already(small: Make) -> None:
    first = small().write().start()
    address, folder = first.addresses["web"], first.folder

    def proxy(listen: str, state: str) -> Process:
        words = [*LAUNCH, "proxy", "--listen", listen, "--to", "http://127.0.0.1:9", "--socket", folder / state]
        return Process(words, environment={"STATE_DIRECTORY": str(folder / f"of-{state}")}, folder=ROOT)

    second = proxy(address, "one")
    assert second.wait(20) == 4
    second.wait_for_line(
        rf"^tidegate: {address} cannot be bound: Address already in use \(pid \d+, .*, listens there\)$"
    )
    with proxy("127.0.0.1:0", "two") as third:
        third.wait_for_line("^ready: ")
        fourth = proxy("127.0.0.1:0", "two")
        assert fourth.wait(20) == 4
        fourth.wait_for_line(f"^tidegate: already running as pid {third.pid} ")
        third.send(signal.SIGINT)
        assert third.wait(20) == 0


def test_a_process_that_only_has_the_old_workers_id_is_left_alone(small: Make) -> None:
    instance = small().write().start()
    instance.call("stop")
    left = {"pid": os.getpid(), "start_time": 1, "protocol": 1, "generation": 5, "socket": "worker-5.sock"}
    (instance.state / "worker.json").write_text(json.dumps(left))
    instance.start()
    assert instance.get() == instance.worker != os.getpid()
    assert instance.status()["generation"] == 6


def test_stop_ends_all_and_leaves_nothing_but_the_last_snapshot(small: Make) -> None:
    instance = small().write(drain={"timeout": "1s"}, pid_file="pid").start()
    assert (instance.folder / "pid").read_text() == f"{instance.process.pid}\n"
    assert instance.call("stop").returncode == 0
    assert instance.process.wait(20) == 0
    assert sorted(each.name for each in instance.state.iterdir()) == ["lock", "snapshot.json"]
    assert sorted(each.name for each in instance.folder.iterdir()) == ["state", "tidegate.yaml"]


def test_a_second_sigterm_ends_at_once(small: Make) -> None:
    instance = small().write(drain={"timeout": "60s"}).start()  # the small worker ends only when asked for less
    instance.process.send(signal.SIGTERM)
    instance.wait_for("SIGTERM: draining")
    instance.process.send(signal.SIGTERM)
    instance.wait_for("SIGTERM: ending at once")
    assert instance.process.wait(20) == 0


def test_sigint_drains_for_two_seconds_at_most(small: Make) -> None:
    instance = small().write(drain={"timeout": "60s"}).start()
    instance.process.send(signal.SIGINT)
    assert instance.process.wait(20) == 0


def test_a_killed_worker_does_not_come_back_while_the_instance_ends(small: Make) -> None:
    instance = small().write(drain={"timeout": "60s"}).start()
    instance.process.send(signal.SIGTERM)
    instance.wait_for("draining")
    os.kill(instance.worker, signal.SIGKILL)
    assert instance.process.wait(20) == 0


def test_secrets_go_to_the_worker_and_nowhere_else(small: Make, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("hush-hush\n")
    instance = small()
    instance.path.write_text(
        f"state: {instance.state}\nlisteners: {{web: {{bind: '127.0.0.1:0'}}}}\n"
        f"admin: {{bind: '127.0.0.1:0', token: !secret file:{secret}}}\n"
        "routes: [{to: api}]\nupstreams: {api: {endpoints: ['127.0.0.1:9']}}\n"
    )
    instance.start()
    assert instance.status()["secrets"] == ["admin.token"]
    os.kill(instance.worker, signal.SIGKILL)
    instance.wait_for("serves snapshot 1")
    assert instance.status()["secrets"] == ["admin.token"]
    for path in instance.state.iterdir():
        if path.is_file():
            assert "hush-hush" not in path.read_text(), path
    assert "hush-hush" not in "\n".join(instance.process.lines)
    secret.unlink()
    done = instance.call("reload")
    assert (done.returncode, "cannot be read" in done.stderr) == (1, True)


def test_files_that_it_keeps_are_its_own(small: Make) -> None:
    instance = small().write().start()
    assert stat.S_IMODE(instance.state.stat().st_mode) == 0o700
    assert stat.S_IMODE(instance.control.stat().st_mode) == 0o600
    for name in ("snapshot.json", "worker.json", "api.sock"):
        assert stat.S_IMODE((instance.state / name).stat().st_mode) == 0o600, name


def test_watch_reloads_when_a_file_changes(small: Make) -> None:
    instance = small().write().start("--watch")
    instance.write(threads=2)
    instance.wait_for(r"reload \(--watch\): snapshot 2 is served")


def test_the_service_manager_is_told(small: Make, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        instance = small().write().start(environment={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert manager.recv(4096).splitlines()[:2] == [b"READY=1", f"MAINPID={instance.process.pid}".encode()]
        instance.process.send(signal.SIGHUP)
        assert manager.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert manager.recv(4096).startswith(b"READY=1")
        instance.process.send(signal.SIGTERM)
        assert manager.recv(4096).startswith(b"STOPPING=1")


@pytest.mark.parametrize("name", ["web", "unknown"])
def test_a_socket_of_the_service_manager_is_served(small: Make, name: str) -> None:
    instance = small()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        bind = "127.0.0.1:0" if name == "web" else f"127.0.0.1:{port}"  # by the listener's name, or by address
        instance.write(listeners={"web": {"bind": bind}})
        words = [*activate([sock], name), *LAUNCH[1:], "run", instance.path, "--socket", instance.control]
        instance.supervisors.append(Process(words, descriptors=[sock.fileno()], folder=ROOT))
        line = instance.wait_for("^ready: ")
    instance.addresses = {"web": f"127.0.0.1:{port}"}
    assert f"web=127.0.0.1:{port} " in line
    assert instance.get() == instance.worker


def test_a_set_goes_to_the_worker_once_and_again_to_the_next_one(small: Make) -> None:
    instance = small()
    lists = instance.folder / "office.txt"
    lists.write_text("# Berlin\n10.0.0.0/8\n")
    sets = {"office": {"file": str(lists)}, "same": {"values": ["10.0.0.0/8"]}}
    instance.write(sets=sets).start()
    assert instance.status()["sets"] == ["10.0.0.0/8"]
    instance.write(sets=sets, threads=2)
    assert instance.call("reload").returncode == 0
    assert instance.status()["sets"] == ["10.0.0.0/8"]  # it has that one
    lists.write_text("192.0.2.0/24\n")
    assert instance.call("reload").returncode == 0
    assert instance.status()["sets"] == ["10.0.0.0/8", "192.0.2.0/24"]
    lists.unlink()  # what is served does not need it
    killed = instance.worker
    os.kill(killed, signal.SIGKILL)
    instance.wait_for(rf"the worker with pid (?!{killed})\d+ serves snapshot 3")
    assert instance.status()["sets"] == ["192.0.2.0/24", "10.0.0.0/8"]
    assert "192.0.2.0" not in (instance.state / "snapshot.json").read_text()
    assert instance.call("reload").returncode == 1
    assert instance.status()["snapshot"]["number"] == 3

"""Binding: fixed sets, addresses in use, and what a dead instance left."""

import os
import socket
import stat
from pathlib import Path

import pytest

from tidegate.config.listener import Bind
from tidegate.config.load import load_text
from tidegate.supervisor.refusal import Refused
from tidegate.supervisor.sockets import Sockets, bind_address, name_of


def bind(address: str, **keys: object) -> Bind:
    return Bind.model_validate({"address": address, **keys})


def close(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", ":0"])
def test_an_address_has_its_fixed_set_of_sockets(address: str) -> None:
    sockets = bind_address(bind(address), 4)
    assert len({name_of(sock) for sock in sockets}) == 1
    for sock in sockets:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert not sock.getblocking()
    if address == ":0":  # both families
        with socket.create_connection(("127.0.0.1", sockets[0].getsockname()[1])):
            pass
    close(sockets)


@pytest.mark.parametrize("address", ["127.0.0.1:0/udp", "[::1]:0/udp", ":0/udp"])
def test_a_udp_address_has_its_fixed_set_of_sockets(address: str) -> None:
    sockets = bind_address(bind(address), 4)
    (name,) = {name_of(sock) for sock in sockets}
    assert name.endswith("/udp")
    for sock in sockets:
        assert not sock.getblocking()
    with pytest.raises(Refused, match=rf"cannot be bound: Address already in use \(pid {os.getpid()}, "):
        bind_address(bind(name), 2)
    # TCP has ports of its own.
    close(bind_address(bind(name.removesuffix("/udp")), 1))
    close(sockets)


def test_a_port_that_another_program_shares_is_still_in_use() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # it would let us take half of its connections
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = name_of(other)
        with pytest.raises(Refused, match=rf"{address} cannot be bound: Address already in use \(pid {os.getpid()}, "):
            bind_address(bind(address), 2)


def test_a_socket_that_nobody_answers_on_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    bind_address(bind(f"unix:{path}"), 1)[0].close()
    (sock,) = bind_address(bind(f"unix:{path}", mode="0620"), 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o620
    with pytest.raises(Refused, match="another program answers on it"):
        bind_address(bind(f"unix:{path}"), 1)
    sock.close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(Refused, match="it is no socket"):
        bind_address(bind(f"unix:{path}"), 1)
    assert path.read_text() == "data"


def test_ids_are_never_used_twice() -> None:
    sockets = Sockets(count=2, open=bind_address)
    text = "listeners: {{a: {{bind: '127.0.0.1:0'}}, {name}: {{bind: '127.0.0.1:0'}}}}\n"
    text += "routes: [{{to: api}}]\nupstreams: {{api: {{endpoints: ['127.0.0.1:9']}}}}\n"
    seen: dict[int, str] = {}
    for name in ("b", "c", "b"):
        config = load_text(text.format(name=name)).config
        assert config is not None
        taken = sockets.take(config)
        sockets.keep(taken)
        for address, ids in sockets.ids().items():
            for number in ids:
                assert seen.setdefault(number, address) == address
    assert sorted(seen) == list(range(1, 9))
    sockets.close()


def test_binding_is_all_or_nothing() -> None:
    sockets = Sockets(count=2, open=bind_address)
    with socket.create_server(("127.0.0.1", 0)) as other, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = name_of(probe)
        probe.close()
        text = f"listeners: {{a: {{bind: ['{free}', '{name_of(other)}']}}}}\nroutes: [{{to: api}}]\n"
        config = load_text(text + "upstreams: {api: {endpoints: ['127.0.0.1:9']}}\n").config
        assert config is not None
        with pytest.raises(Refused):
            sockets.take(config)
    close(bind_address(bind(free), 1))
    assert sockets.ids() == {}

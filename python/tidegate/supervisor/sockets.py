"""The listening sockets of an instance: bound here, served by the worker, kept over reloads, workers and supervisors.

A TCP or UDP address has a fixed set of sockets for its life, so that threads can change in number without closing a
queue, and the kernel gives all datagrams of a client to the same socket.
"""

import errno
import grp
import os
import pwd
import socket
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.config.addresses import BindAddress
from tidegate.config.config import Config
from tidegate.config.listener import Bind
from tidegate.supervisor.refusal import Refused

BACKLOG = 4096
IP_PKTINFO = 8
"""From linux/in.h; Python has it from 3.14 on."""
FIRST_DESCRIPTOR = 3
"""Where systemd's descriptors begin (sd_listen_fds(3))."""

Open = Callable[[Bind, int], list[socket.socket]]
"""Binds an address with so many sockets; the broker's, where root keeps that right."""


@dataclass
class Sockets:
    """What is bound now, by address as the snapshot names it."""

    count: int
    """Sockets of a TCP or UDP address."""
    open: Open
    inherited: dict[str, socket.socket] = field(default_factory=dict)
    """From systemd, by address and by name."""
    held: dict[str, list[tuple[int, socket.socket]]] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    """Which address the kernel chose for a port 0: by listener, address and place among its equals."""
    next_id: int = 1

    def take(self, config: Config) -> "Taken":
        """Bind what `config` names and is not bound yet. All or nothing: raises `Refused`."""
        fresh: dict[str, list[tuple[int, socket.socket]]] = {}
        chosen: dict[str, str] = {}
        listeners = {}
        try:
            for name, listener in config.listeners.items():
                binds = tuple(self._one(name, each, index, fresh, chosen) for index, each in enumerate(listener.bind))
                listeners[name] = listener.model_copy(update={"bind": binds})
            admin = config.admin
            if admin is not None:
                binds = tuple(self._one("admin", each, index, fresh, chosen) for index, each in enumerate(admin.bind))
                admin = admin.model_copy(update={"bind": binds})
        except BaseException:
            for address, sockets in fresh.items():
                _close(address, sockets)
            raise
        addresses = [str(bind.address) for listener in listeners.values() for bind in listener.bind]
        addresses += [str(bind.address) for bind in (admin.bind if admin is not None else ())]
        for address in addresses:
            if addresses.count(address) > 1:  # a port that the kernel chose, and a later file names
                for each, sockets in fresh.items():
                    _close(each, sockets)
                raise Refused(f"{address} is bound twice: the kernel chose it for a port 0 before")
        bound = config.model_copy(update={"listeners": listeners, "admin": admin})
        return Taken(bound, fresh, chosen)

    def _one(
        self,
        name: str,
        bind: Bind,
        index: int,
        fresh: dict[str, list[tuple[int, socket.socket]]],
        chosen: dict[str, str],
    ) -> Bind:
        address = str(bind.address)
        if not bind.address.is_unix and bind.address.port == 0:
            key = f"{name} {index} {address}"
            if key not in self.chosen:
                sockets = self.inherited_for(name, address) or self.open(bind, self.count)
                shown = name_of(sockets[0])
                fresh[shown] = self._number(sockets)
                chosen[key] = shown
            else:
                chosen[key] = self.chosen[key]
            return bind.model_copy(update={"address": BindAddress.read(chosen[key], Path("/"))})
        if address not in self.held and address not in fresh:
            fresh[address] = self._number(self.inherited_for(name, address) or self.open(bind, self.count))
        return bind

    def inherited_for(self, name: str, address: str) -> list[socket.socket]:
        """Give systemd's socket for a bind: the one with its address, or with its listener's name."""
        for key in (address, f"name {name}/udp" if address.endswith("/udp") else f"name {name}"):
            if (sock := self.inherited.get(key)) is not None:
                return [sock.dup()]
        return []

    def _number(self, sockets: Sequence[socket.socket]) -> list[tuple[int, socket.socket]]:
        numbered = [(self.next_id + index, sock) for index, sock in enumerate(sockets)]
        self.next_id += len(numbered)
        return numbered

    def adopt(self, found: Sequence[tuple[int, str, socket.socket]]) -> None:
        """Keep what an adopted worker holds, in place of what we may have of it already."""
        for _, _, sock in self.all():
            sock.close()
        self.held = {}
        for number, address, sock in found:
            self.held.setdefault(address, []).append((number, sock))
            self.next_id = max(self.next_id, number + 1)

    def ids(self) -> dict[str, list[int]]:
        """Give the ids of each address, for the snapshot."""
        return {address: [number for number, _ in sockets] for address, sockets in self.held.items()}

    def ids_with(self, taken: "Taken") -> dict[str, list[int]]:
        """Give the ids of each address, the new ones among them."""
        return self.ids() | {address: [number for number, _ in each] for address, each in taken.fresh.items()}

    def keep(self, taken: "Taken") -> None:
        """The worker serves them: keep them, and close what is named no longer."""
        self.held |= dict(taken.fresh)
        self.chosen = taken.chosen
        named = {str(bind.address) for bind in all_binds(taken.config)}
        for address in [each for each in self.held if each not in named]:
            _close(address, self.held.pop(address))

    def all(self) -> list[tuple[int, str, socket.socket]]:
        """List all that is held: id, address, socket."""
        return [(number, address, sock) for address, sockets in self.held.items() for number, sock in sockets]

    def close(self) -> None:
        """Close all, and remove the files of Unix sockets."""
        for address, sockets in self.held.items():
            _close(address, sockets, ours=address not in self.inherited)
        self.held = {}


@dataclass(frozen=True)
class Taken:
    """A configuration with every port known, and the sockets that it needs beside those that are held."""

    config: Config
    fresh: Mapping[str, list[tuple[int, socket.socket]]]
    chosen: dict[str, str]

    def give_back(self) -> None:
        """Close the new ones: the worker does not serve them."""
        for address, sockets in self.fresh.items():
            _close(address, sockets)


def all_binds(config: Config) -> list[Bind]:
    """List every bind of a configuration, the admin listener's included."""
    binds = [bind for listener in config.listeners.values() for bind in listener.bind]
    return binds + list(config.admin.bind if config.admin is not None else ())


def _close(address: str, sockets: Sequence[tuple[int, socket.socket]], *, ours: bool = True) -> None:
    for _, sock in sockets:
        sock.close()
    if ours and address.startswith("unix:"):
        with suppress(OSError):
            os.unlink(address.removeprefix("unix:"))


def bind_address(bind: Bind, count: int) -> list[socket.socket]:
    """Bind an address and listen on it, with `count` sockets where it is TCP or UDP. Raises `Refused`."""
    try:
        if bind.address.path is not None:
            return [_bind_unix(bind, bind.address.path)]
        return _bind_port(bind.address, count)
    except OSError as error:
        holder = holder_of(bind.address) if error.errno == errno.EADDRINUSE else ""
        raise Refused(f"{bind.address} cannot be bound: {os.strerror(error.errno or 0)}{holder}") from None


def _bind_port(address: BindAddress, count: int) -> list[socket.socket]:
    make = _udp if address.is_udp else _tcp
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    probe = make(family, address, reuse_port=False)
    try:
        probe.bind((address.host, address.port))
        port = probe.getsockname()[1]
    finally:
        probe.close()
    sockets: list[socket.socket] = []
    try:
        for _ in range(count):
            sock = make(family, address, reuse_port=True)
            sockets.append(sock)
            sock.bind((address.host, port))
        for sock in sockets:
            if not address.is_udp:
                sock.listen(BACKLOG)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _tcp(family: socket.AddressFamily, address: BindAddress, *, reuse_port: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address.is_dual_stack else 1)
    return sock


def _udp(family: socket.AddressFamily, address: BindAddress, *, reuse_port: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    if reuse_port:  # and no SO_REUSEADDR, with which UDP lets others take the port
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address.is_dual_stack else 1)
    _tell_destinations(sock)
    return sock


def _tell_destinations(sock: socket.socket) -> None:
    """Have each datagram tell the address that it was sent to, so that the answer can come from there."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)


def _bind_unix(bind: Bind, path: Path) -> socket.socket:
    remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    mask = os.umask(0o177) if bind.mode is not None or bind.owner is not None else None
    try:
        sock.bind(str(path))
    except BaseException:
        sock.close()
        raise
    finally:
        if mask is not None:
            os.umask(mask)
    try:
        if bind.owner is not None:
            _give(path, bind.owner)
        if bind.mode is not None:
            path.chmod(bind.mode)
        sock.listen(BACKLOG)
    except BaseException:
        _close(f"unix:{path}", [(0, sock)])
        raise
    return sock


def _give(path: Path, owner: str) -> None:
    user, _, group = owner.partition(":")
    try:
        uid = pwd.getpwnam(user).pw_uid if user else -1
        gid = grp.getgrnam(group).gr_gid if group else -1
    except KeyError as error:
        raise Refused(f"unix:{path} cannot be given to {owner}: {error.args[0]}") from None
    os.chown(path, uid, gid)


def remove_stale(path: Path) -> None:
    """Remove what a dead instance left: only a socket, and only when nobody answers on it."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Refused(f"unix:{path} cannot be bound: there is a file of that name, and it is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(2)
        try:
            sock.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise Refused(f"unix:{path} cannot be bound: {error}") from None
        else:
            raise Refused(f"unix:{path} cannot be bound: another program answers on it")


def name_of(sock: socket.socket) -> str:
    """Give the address that a socket is bound to, as a configuration writes it."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    shown = f"[{name[0]}]:{name[1]}" if sock.family == socket.AF_INET6 else f"{name[0]}:{name[1]}"
    return f"{shown}/udp" if sock.type == socket.SOCK_DGRAM else shown


def holder_of(address: BindAddress) -> str:
    """Say who listens on a TCP or UDP port, if /proc tells."""
    for inode in _listening_inodes(address):
        for folder in Path("/proc").iterdir():
            if not folder.name.isdecimal():
                continue
            with suppress(OSError):
                for descriptor in (folder / "fd").iterdir():
                    if os.readlink(descriptor) == f"socket:[{inode}]":
                        return f" (pid {folder.name}, {(folder / 'comm').read_text().strip()}, listens there)"
    return ""


def _listening_inodes(address: BindAddress) -> list[str]:
    found = []
    name, state = ("udp", "07") if address.is_udp else ("tcp", "0A")  # a UDP socket that listens is one not connected
    for table in (f"/proc/net/{name}", f"/proc/net/{name}6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == state and int(words[1].rpartition(":")[2], 16) == address.port:
                    found.append(words[9])
    return found


def from_systemd(environment: Mapping[str, str], pid: int) -> dict[str, socket.socket]:
    """Take the sockets that systemd bound for us, by address and by `name NAME` (sd_listen_fds(3))."""
    if environment.get("LISTEN_PID") != str(pid) or not environment.get("LISTEN_FDS", "").isdecimal():
        return {}
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, socket.socket] = {}
    for index in range(int(environment["LISTEN_FDS"])):
        fd = FIRST_DESCRIPTOR + index
        try:
            os.set_inheritable(fd, False)
            sock = socket.socket(fileno=fd)
            listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError:
            continue
        is_port = sock.family in (socket.AF_INET, socket.AF_INET6)
        is_udp = sock.type == socket.SOCK_DGRAM and is_port
        if not is_udp and (sock.type != socket.SOCK_STREAM or not listens):
            continue
        sock.setblocking(False)
        if is_udp:
            _tell_destinations(sock)
        elif is_port:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found[name_of(sock)] = sock
        if index < len(names) and names[index] not in ("", "unknown"):
            found.setdefault(f"name {names[index]}/udp" if is_udp else f"name {names[index]}", sock)
    return found

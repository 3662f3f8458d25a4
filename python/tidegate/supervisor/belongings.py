"""What an instance has for its life: the state folder, its sockets, and how it does what needs root's rights.

It is made at the start, or taken over from the supervisor that ran in this process before.
"""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tidegate.compile import machine
from tidegate.config.load import Loaded
from tidegate.supervisor import control_socket
from tidegate.supervisor.broker import Broker
from tidegate.supervisor.handover import Handover
from tidegate.supervisor.log import Log
from tidegate.supervisor.privileges import Household, become_user
from tidegate.supervisor.refusal import Refused
from tidegate.supervisor.sockets import Sockets, all_binds, from_systemd, remove_stale
from tidegate.supervisor.state import State, instance_name, listen_unix, state_folder


@dataclass(frozen=True)
class Belongings:
    """What an instance has for its life."""

    state: State
    control: Path
    """Where commands reach it."""
    commands: socket.socket
    """What listens there."""
    api: socket.socket
    """What the engine asks for `/api`."""
    household: Household
    sockets: Sockets


def make(loaded: Loaded, given: Path | None, log: Log) -> Belongings:
    """Make all of it for a program that starts; `given` is where the control socket shall be. Raises `Refused`."""
    config = loaded.config
    assert config is not None
    environment, uid = os.environ, os.geteuid()
    binds = all_binds(config)
    name = instance_name(loaded.source, str(binds[0].address) if binds else "")
    folder = state_folder(config.state, name, environment, uid)
    control = given or control_socket.path(name, folder, environment, uid)
    inherited = from_systemd(environment, os.getpid())
    state = State(folder)
    commands = listen_control(control)
    household = become_user(config, loaded.source, folder, control, log)
    sockets = Sockets(count=machine.sockets(), open=household.open, inherited=inherited)
    return Belongings(state, control, commands, state.listen("api.sock"), household, sockets)


def take_over(handover: Handover) -> Belongings:
    """Take all of it from the supervisor before. Raises `Refused`."""
    state = State(Path(handover.folder), handover.lock)
    broker = Broker(socket.socket(fileno=handover.broker)) if handover.broker is not None else None
    household = Household.of(broker)
    inherited = {key: socket.socket(fileno=fd) for key, fd in handover.inherited.items()}
    sockets = Sockets(count=machine.sockets(), open=household.open, inherited=inherited, chosen=handover.chosen)
    sockets.adopt([(number, at, socket.socket(fileno=fd)) for number, at, fd in handover.sockets])
    commands, api = socket.socket(fileno=handover.commands), socket.socket(fileno=handover.api)
    return Belongings(state, Path(handover.control), commands, api, household, sockets)


def listen_control(control: Path) -> socket.socket:
    """Listen for commands. What a dead instance left there is removed; where somebody answers, we are refused."""
    if len(str(control).encode()) > control_socket.MOST_PATH:
        raise Refused(f"the control socket's path is too long for the kernel: {control}; give --socket")
    try:
        control.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        remove_stale(control)
        return listen_unix(str(control))
    except OSError as error:
        raise Refused(f"the control socket {control} cannot be made: {error.strerror}") from None


def leave(belongings: Belongings) -> None:
    """Remove the control socket: nobody listens there any more."""
    with suppress(OSError):
        belongings.control.unlink()

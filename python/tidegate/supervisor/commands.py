"""The instance's side of the control socket: one question a connection or several, from our own user or root."""

import asyncio
import os
import pwd
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from tidegate.supervisor.frames import Frames, Gone, peer_uid

MOST = 1 << 16
"""Bytes of a question."""
PATIENCE_S = 30.0

Answer = Callable[[str, Any, str, socket.socket], Awaitable[dict[str, Any]]]
"""Given a command and its arguments, as they came, who asks, and the connection that it came over."""


async def serve_commands(listening: socket.socket, answer: Answer) -> None:
    """Answer commands for ever."""
    async for sock in accept(listening):
        talk = asyncio.create_task(_talk(sock, answer))
        _talks.add(talk)
        talk.add_done_callback(_talks.discard)


_talks: set[asyncio.Task[None]] = set()
MOST_TALKS = 64


async def accept(listening: socket.socket) -> Any:
    """Yield connections of our own user or root; others are closed."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            sock, _ = await loop.sock_accept(listening)
        except OSError:
            await asyncio.sleep(1)  # descriptors may have run out
            continue
        try:
            trusted = peer_uid(sock) in (0, os.geteuid()) and len(_talks) < MOST_TALKS
        except OSError:
            trusted = False
        if trusted:
            yield sock
        else:
            sock.close()


async def _talk(sock: socket.socket, answer: Answer) -> None:
    frames = Frames(sock, MOST)
    try:
        by = who_asks(sock)
        while True:
            asked = await asyncio.wait_for(frames.receive(), PATIENCE_S)
            command = asked.get("command")
            if isinstance(command, str):
                told = await answer(command, asked.get("with"), by, sock)
            else:
                told = {"ok": False, "error": "no `command`"}
            await frames.send(told)
    except (Gone, TimeoutError, OSError):
        pass
    finally:
        frames.close()


def who_asks(sock: socket.socket) -> str:
    """Name the user on the other side of a Unix socket, by the kernel's word. Raises `OSError`."""
    uid = peer_uid(sock)
    try:
        return f"user {pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:  # as in a container that has no such user
        return f"uid {uid}"

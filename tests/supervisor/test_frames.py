"""Frames from a worker are taken as a stranger's."""

import asyncio
import os
import socket
import struct
from collections.abc import Iterator

import pytest

from tidegate.supervisor.frames import Frames, Gone, encode


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with here, there:
        yield here, there


def receive(sock: socket.socket, most: int = 1000) -> dict[str, object]:
    async def one() -> dict[str, object]:
        return await asyncio.wait_for(Frames(sock, most).receive(), 10)

    return asyncio.run(one())


def test_a_frame_arrives_with_its_descriptors(pair: tuple[socket.socket, socket.socket]) -> None:
    async def both() -> tuple[dict[str, object], int]:
        here, there = Frames(pair[0], 1000), Frames(pair[1], 1000)
        await here.send({"kind": "sockets"}, [pair[0].fileno(), pair[0].fileno()])
        message = await there.receive()
        count = len(there.descriptors)
        there.close()
        return message, count

    assert asyncio.run(both()) == ({"kind": "sockets"}, 2)


def test_a_large_frame_goes_through_a_small_buffer(pair: tuple[socket.socket, socket.socket]) -> None:
    async def both() -> dict[str, object]:
        here, there = Frames(pair[0], 1 << 24), Frames(pair[1], 1 << 24)
        sending = asyncio.create_task(here.send({"text": "x" * (1 << 22)}, [pair[0].fileno()]))
        message = await there.receive()
        await sending
        there.close()
        return message

    assert len(str(asyncio.run(both())["text"])) == 1 << 22


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (struct.pack(">I", 0), "a frame of 0 bytes"),
        (struct.pack(">I", 1001), "a frame of 1001 bytes"),
        (b"\xff\xff\xff\xff", "a frame of 4294967295 bytes"),
        (struct.pack(">I", 3) + b"abc", "not JSON"),
        (struct.pack(">I", 2) + b"\xff\xff", "not JSON"),
        (struct.pack(">I", 2) + b"[]", "no object"),
        (struct.pack(">I", 900) + b"[" * 900, "not JSON"),
        (b"\x00\x00", "closed the connection"),
        (struct.pack(">I", 9) + b"{", "closed the connection"),
        (b"", "closed the connection"),
    ],
)
def test_what_is_no_frame_ends_the_connection(
    pair: tuple[socket.socket, socket.socket], data: bytes, says: str
) -> None:
    pair[0].sendall(data)
    pair[0].shutdown(socket.SHUT_WR)
    with pytest.raises(Gone, match=says):
        receive(pair[1])


def test_a_frame_that_comes_byte_by_byte_is_whole(pair: tuple[socket.socket, socket.socket]) -> None:
    async def both() -> dict[str, object]:
        receiving = asyncio.create_task(Frames(pair[1], 1000).receive())
        for byte in encode({"kind": "beat", "tick": 1}):
            pair[0].send(bytes([byte]))
            await asyncio.sleep(0)
        return await receiving

    assert asyncio.run(both()) == {"kind": "beat", "tick": 1}


def test_descriptors_that_nobody_took_are_closed(pair: tuple[socket.socket, socket.socket]) -> None:
    async def both() -> list[int]:
        here, there = Frames(pair[0], 1000), Frames(pair[1], 1000)
        await here.send({}, [pair[0].fileno()])
        await there.receive()
        came = list(there.descriptors)
        there.close()
        return came

    (descriptor,) = asyncio.run(both())
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)

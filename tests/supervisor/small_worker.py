"""A worker of few lines that speaks the protocol, for tests of the supervisor: answers HTTP with its process ID.

It does wrong what the source of a snapshot asks for, so that a test says it by the name of its file. It speaks protocol
1, and 0, which stands for that of an earlier version.
"""

import array
import json
import os
import socket
import struct
import sys
import threading
import time
from typing import Any


class SmallWorker:
    """One worker; a connection at a time is its supervisor."""

    def __init__(self, listening: socket.socket) -> None:
        listening.setblocking(True)
        self.listening = listening
        self.sockets: dict[int, tuple[str, socket.socket]] = {}
        self.snapshot: dict[str, Any] | None = None
        self.generation = 0
        self.deltas: list[dict[str, Any]] = []
        self.secrets: list[str] = []
        self.sets: list[str] = []

    def serve(self) -> None:
        """Serve supervisors, one after the other."""
        while True:
            sock, _ = self.listening.accept()
            try:
                self.talk(sock)
            except (OSError, EOFError):
                sock.close()

    def talk(self, sock: socket.socket) -> None:
        """Answer until the supervisor is gone."""
        while True:
            head, ancillary, _, _ = sock.recvmsg(4, socket.CMSG_SPACE(1000))
            fds = array.array("i")
            for _, _, data in ancillary:
                fds.frombytes(data)
            (length,) = struct.unpack(">I", head + exactly(sock, 4 - len(head)) if head else exactly(sock, 4))
            asked = json.loads(exactly(sock, length))
            answer = {"kind": "answer", "id": asked["id"], "ok": True, **self.do(sock, asked, list(fds))}
            send(sock, answer)

    def do(self, sock: socket.socket, asked: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        """Do one thing; what it returns goes into the answer."""
        match asked["kind"]:
            case "hello":
                if asked["protocol"] not in (0, 1) or asked["generation"] < self.generation:
                    return {"ok": False, "error": "another protocol or generation"}
                self.generation = asked["generation"]
                number = self.snapshot["number"] if self.snapshot else None
                ids = list(self.sockets)
                return {"pid": os.getpid(), "since": time.time(), "snapshot": number, "socket_ids": ids}
            case "sockets":
                for named, fd in zip(asked["sockets"], fds, strict=True):
                    listening = socket.socket(fileno=fd)
                    listening.setblocking(True)
                    self.sockets[named["id"]] = named["address"], listening
                    threading.Thread(target=accept, args=(listening,), daemon=True).start()
            case "give_sockets":
                named = [{"id": number, "address": address} for number, (address, _) in self.sockets.items()]
                send(sock, {"kind": "sockets", "sockets": named}, [each.fileno() for _, each in self.sockets.values()])
            case "secrets":
                self.secrets = sorted(asked["secrets"])
            case "sets":
                self.sets += asked["sets"].values()
            case "snapshot":
                document = asked["snapshot"]
                if any(route["name"] == "refused" for route in document["routes"]):
                    return {"ok": False, "error": "this route is refused"}
                if any(route["name"] == "dies" for route in document["routes"]):
                    os._exit(7)
                if any(route["name"] == "babbles" for route in document["routes"]):
                    sock.sendall(b"\xff" * 100)
                wanted = {each for one in document["listeners"] for bind in one["binds"] for each in bind["sockets"]}
                if not wanted <= set(self.sockets):
                    return {"ok": False, "error": f"sockets {wanted - set(self.sockets)} were not given"}
                for number in set(self.sockets) - wanted:
                    self.sockets.pop(number)[1].shutdown(socket.SHUT_RDWR)
                self.snapshot = document
            case "upstream":
                self.deltas.append(asked["upstream"])
            case "status":
                told = {"deltas": self.deltas, "secrets": self.secrets, "sets": self.sets}
                return {"status": {"connections": 0, "document": self.snapshot, **told}}
            case "drain":
                if asked["timeout_ms"] < 25_000 or asked.get("succeeded"):
                    send(sock, {"kind": "answer", "id": asked["id"], "ok": True})
                    os._exit(0)
            case "streams":
                for number, fd in enumerate(fds, start=1):
                    os.dup2(fd, number)
                    os.close(fd)
            case "reopen":
                print("small worker: reopened", file=sys.stderr, flush=True)
        return {}


def accept(listening: socket.socket) -> None:
    """Answer each request on a connection with our process ID."""
    while True:
        try:
            sock, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=(sock,), daemon=True).start()


def answer(sock: socket.socket) -> None:
    """Serve one connection."""
    body = f"{os.getpid()}\n"
    while sock.recv(65_536):
        sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())


def exactly(sock: socket.socket, count: int) -> bytes:
    """Read so many bytes."""
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def send(sock: socket.socket, message: dict[str, Any], fds: list[int] | None = None) -> None:
    """Write one frame."""
    body = json.dumps(message).encode()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    data = struct.pack(">I", len(body)) + body
    sent = sock.sendmsg([data], rights)
    sock.sendall(data[sent:])


if __name__ == "__main__":
    SmallWorker(socket.socket(fileno=int(sys.argv[1]))).serve()

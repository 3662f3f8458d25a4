"""A backend in a process of its own, which a test stops, kills, makes ill and brings back."""

import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.peers.process import Process
from tests.peers.sockets import address_of, listen

SERVER = r"""
import socket, struct, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer leaves whole, or has not begun

    def do_GET(self):
        mood = "" if self.path == "/healthz" else open(sys.argv[3]).read()
        time.sleep(0.1 if mood == "slow" else 0.01 if self.path == "/a" else 0)
        if mood in ("resets", "cuts"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if mood == "cuts":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                self.wfile.flush()
                time.sleep(0.05)  # so that the half arrives before the reset
            self.rfile.close()
            self.connection.close()
            self.close_connection = True
            return
        self.send_response(500 if mood == "500" else 200)
        self.send_header("Content-Length", str(len(NAME)))
        self.end_headers()
        self.wfile.write(NAME)

    def log_message(self, *args):
        pass

class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

NAME = sys.argv[2].encode()
server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
print("serves", flush=True)
server.serve_forever()
"""


class Victim:
    """Answers every GET with its name. Its socket is its own: when it is dead, its port refuses."""

    def __init__(self, name: str) -> None:
        self.name = name
        sock = listen()
        self.address = address_of(sock)
        sock.close()
        descriptor, name = tempfile.mkstemp(prefix="mood-")
        os.close(descriptor)
        self._mood = Path(name)
        self.start()

    def start(self) -> None:
        """Start it, for the first time or again, on the same port."""
        port = self.address.rpartition(":")[2]
        self.process = Process([sys.executable, "-c", SERVER, port, self.name, self._mood], folder=Path("/"))
        self.process.wait_for_line("serves")

    def feel(self, mood: str) -> None:
        """Answer from now on as `500`, `slow`, `resets` or `cuts` has it, checks alone well; `""` is well."""
        self._mood.write_text(mood)

    def stop(self) -> None:
        """SIGSTOP: the kernel still accepts for it, and nobody answers."""
        self.process.send(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self.process.send(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.send(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """End it, whatever state it is in."""
        self.go_on()
        self.process.end()
        self._mood.unlink()

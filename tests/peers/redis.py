"""Redis, as a server behind a listener of layer 4, and its own client."""

import subprocess
from pathlib import Path

from tests.peers.needs import need
from tests.peers.process import Process


class Redis:
    """A server on a Unix socket; it keeps nothing on disk."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.sock"
        words = [need("redis-server"), "--port", "0", "--unixsocket", self.path, "--save", "", "--dir", folder]
        self.process = Process([*words, "--loglevel", "notice"])
        self.process.wait_for_line("ready to accept connections|The server is now ready")

    @property
    def address(self) -> str:
        """Where it listens, as an endpoint has it."""
        return f"unix:{self.path}"

    def end(self) -> None:
        """End it."""
        self.process.end()


def ask(address: str, *words: str, given: str | None = None) -> str:
    """What `redis-cli` prints for a command; `given` is its last word, from stdin."""
    host, _, port = address.rpartition(":")
    command = [need("redis-cli"), "-h", host, "-p", port, *(["-x"] if given is not None else []), *words]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=20, check=False)
    return (done.stdout + done.stderr).strip()

"""HAProxy, as another proxy in front of Tidegate or behind it."""

from pathlib import Path

from tests.peers.needs import need
from tests.peers.process import Process
from tests.peers.sockets import address_of, listen


class HAProxy:
    """Starts HAProxy, as often as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.program = need("haproxy")
        self.folder = folder
        self.started: list[Process] = []

    def start(self, to: str, *, server_options: str = "", mode: str = "http") -> str:
        """Start one that passes all on to the address `to`; returns its own address. Options: `send-proxy-v2`, …"""
        sock = listen()
        config = self.folder / f"haproxy-{len(self.started)}.cfg"
        config.write_text(
            "global\n  maxconn 1000\n"
            f"defaults\n  mode {mode}\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
            f"listen all\n  bind fd@{sock.fileno()}\n  server one {to} {server_options}\n"
        )
        self.started.append(Process([self.program, "-db", "-f", config], descriptors=[sock.fileno()]))
        address = address_of(sock)
        sock.close()
        return address

    def end(self) -> None:
        """End all that were started."""
        for each in self.started:
            each.end()
            print(each)

"""dnsmasq as name server, and a Tidegate that asks it instead of the machine's own."""

import signal
import socket
import sys
from pathlib import Path

from tests.peers.needs import need
from tests.peers.process import Process

LAUNCH = [sys.executable, "-P", str(Path(__file__).with_name("name_server_launch.py"))]
"""In place of `tests.peers.tidegate.COMMAND`; `environment` tells it where to ask."""

COMMON = """\
no-resolv
no-hosts
bind-interfaces
listen-address=127.0.0.1
local=/test/
"""


def start_dnsmasq(folder: Path, lines: str) -> tuple[Process, int]:
    """Start dnsmasq with these lines besides the common ones; returns it and its port, which it cannot inherit."""
    program = need("dnsmasq")
    config = folder / "dnsmasq.conf"
    for _ in range(10):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config.write_text(f"{COMMON}{lines}port={port}\n")
        words = [program, "--keep-in-foreground", "--log-facility=-", f"--conf-file={config}", "--user="]
        process = Process(words)
        if "started" in process.wait_for_line("started, version|Address already in use"):
            return process, port
        process.end()  # the port was free for UDP, and not for TCP
    raise AssertionError("no port is free for both UDP and TCP")


class NameServer:
    """Answers for names under `test`, with a time to live of 1 s."""

    def __init__(self, folder: Path) -> None:
        self.hosts = folder / "dnsmasq.hosts"
        self.hosts.touch()
        self.process, port = start_dnsmasq(folder, f"local-ttl=1\naddn-hosts={self.hosts}\n")
        resolv = folder / "resolv.conf"
        resolv.write_text("nameserver 127.0.0.1\n")
        self.environment = {"TEST_HOSTS": "/dev/null", "TEST_RESOLV_CONF": str(resolv), "TEST_DNS_PORT": str(port)}

    def tell(self, **names: list[str]) -> None:
        """From now on, `NAME.test` has these addresses; names that are not told do not exist."""
        self.hosts.write_text("".join(f"{ip} {name}.test\n" for name, ips in names.items() for ip in ips))
        before = len(self.process.lines)
        self.process.send(signal.SIGHUP)
        self.process.wait_for_line("read .*dnsmasq.hosts", after=before)

    def end(self) -> None:
        """End it; nobody answers then."""
        self.process.end()
        print(self.process)

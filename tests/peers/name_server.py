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


def start_dnsmasq(folder: Path, lines: str, port: int = 0) -> tuple[Process, int]:
    """Start dnsmasq with these lines besides the common ones; returns it and its port, which it cannot inherit.

    With a `port`, it takes that one.
    """
    program = need("dnsmasq")
    config = folder / "dnsmasq.conf"
    for _ in range(10):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", port))
            chosen = probe.getsockname()[1]
        config.write_text(f"{COMMON}{lines}port={chosen}\n")
        words = [program, "--keep-in-foreground", "--log-facility=-", f"--conf-file={config}", "--user="]
        process = Process(words)
        if "started" in process.wait_for_line("started, version|Address already in use"):
            return process, chosen
        process.end()  # the port was free for UDP, and not for TCP
    raise AssertionError("no port is free for both UDP and TCP")


class NameServer:
    """Answers for names under `test`, with a time to live of 1 s."""

    def __init__(self, folder: Path) -> None:
        self.hosts = folder / "dnsmasq.hosts"
        self.hosts.touch()
        self.folder = folder
        self.lines = f"local-ttl=1\naddn-hosts={self.hosts}\n"
        self.process, self.port = start_dnsmasq(folder, self.lines)
        resolv = folder / "resolv.conf"
        resolv.write_text("nameserver 127.0.0.1\n")
        self.environment = {"TEST_HOSTS": "/dev/null", "TEST_RESOLV_CONF": str(resolv), "TEST_DNS_PORT": str(self.port)}

    def tell(self, **names: list[str]) -> None:
        """From now on, `NAME.test` has these addresses; names that are not told do not exist."""
        self.hosts.write_text("".join(f"{ip} {name}.test\n" for name, ips in names.items() for ip in ips))
        before = len(self.process.lines)
        self.process.send(signal.SIGHUP)
        self.process.wait_for_line("read .*dnsmasq.hosts", after=before)

    def tell_service(self, name: str, *records: str) -> None:
        """From now on, these are the SRV records: `TARGET,PORT,PRIORITY,WEIGHT`; an empty one: it is not there."""
        services = "".join(f"srv-host={name}{',' * bool(record)}{record}\n" for record in records)
        self.process.end()  # it reads its configuration but once
        self.process, _ = start_dnsmasq(self.folder, self.lines + services, self.port)

    def end(self) -> None:
        """End it; nobody answers then."""
        self.process.end()
        print(self.process)

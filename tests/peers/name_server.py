"""dnsmasq as name server, and a Tidegate that asks it instead of the machine's own."""

import signal
import socket
import sys
from pathlib import Path

from tests.peers.needs import need
from tests.peers.process import Process

LAUNCH = [sys.executable, "-P", str(Path(__file__).with_name("name_server_launch.py"))]
"""In place of `tests.peers.tidegate.COMMAND`; `environment` tells it where to ask."""

CONFIG = """\
no-resolv
no-hosts
bind-interfaces
listen-address=127.0.0.1
port={port}
local=/test/
local-ttl=1
addn-hosts={hosts}
"""


class NameServer:
    """Answers for names under `test`, with a time to live of 1 s."""

    def __init__(self, folder: Path) -> None:
        program = need("dnsmasq")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.hosts = folder / "dnsmasq.hosts"
        self.hosts.touch()
        config = folder / "dnsmasq.conf"
        config.write_text(CONFIG.format(port=port, hosts=self.hosts))
        resolv = folder / "resolv.conf"
        resolv.write_text("nameserver 127.0.0.1\n")
        self.environment = {"TEST_HOSTS": "/dev/null", "TEST_RESOLV_CONF": str(resolv), "TEST_DNS_PORT": str(port)}
        words = [program, "--keep-in-foreground", "--log-facility=-", f"--conf-file={config}", "--user="]
        self.process = Process(words)
        self.process.wait_for_line("started, version")

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

"""Pebble, Let's Encrypt's small issuer, and the name server that comes with it."""

import json
import socket
import ssl
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.peers.needs import need
from tests.peers.process import Process
from tests.peers.waiting import until
from tidegate.certificates.authority import Authority


def free_port() -> int:
    """Find a port that is free now; Pebble takes no sockets."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Pebble:
    """An issuer that asks for names at these ports, and believes that every name is 127.0.0.1.

    `reject` is how many requests in a hundred find their nonce refused.
    """

    def __init__(
        self,
        folder: Path,
        *,
        http_port: int = 0,
        tls_port: int = 0,
        dns: str = "",
        reject: int = 0,
        **config: Any,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.port, self.management = free_port(), free_port()
        self.ca = folder / "ca.pem"
        certificate = self._certificate()
        told = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(certificate),
            "privateKey": str(certificate),
            "httpPort": http_port or free_port(),
            "tlsPort": tls_port or free_port(),
            "ocspResponderURL": "",
            **config,
        }
        self.config = folder / "pebble.json"
        self.config.write_text(json.dumps({"pebble": told}))
        self.environment = {
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_WFE_NONCEREJECT": str(reject),
            "PEBBLE_AUTHZREUSE": "0",
        }
        self.names: Process | None = None
        self.dns = dns
        if not dns:
            self.dns_port, self.told_port = free_port(), free_port()
            words = [need("pebble-challtestsrv"), "-defaultIPv6", "", "-defaultIPv4", "127.0.0.1"]
            words += ["-dns01", f"127.0.0.1:{self.dns_port}", "-management", f"127.0.0.1:{self.told_port}"]
            words += ["-http01", "", "-https01", "", "-tlsalpn01", ""]
            self.names = Process(words)
            self.names.wait_for_line("management server|Starting management")
            self.dns = f"127.0.0.1:{self.dns_port}"
        self.process: Process | None = None
        self.start()

    def _certificate(self) -> Path:
        """Make the certificate of its own API; only who is told believes it."""
        authority = Authority.make(time.time())
        self.ca.write_text(authority.root_pem)
        made = authority.issue(["127.0.0.1", "localhost"], time.time())
        path = self.folder / "api.pem"
        path.write_text(made.chain + made.key)
        return path

    def start(self) -> None:
        """Start it; all that it knew before is gone."""
        words = [need("pebble"), "-config", self.config, "-dnsserver", self.dns, "-strict"]
        self.process = Process(words, environment=self.environment)
        self.process.wait_for_line("ACME directory available|Listening on")
        until(self._accepts)

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def directory(self) -> str:
        """Where it is asked."""
        return f"https://127.0.0.1:{self.port}/dir"

    def get(self, path: str) -> str:
        """Ask the interface that its operator has."""
        context = ssl.create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(f"https://127.0.0.1:{self.management}/{path}", context=context) as answer:
            content: bytes = answer.read()
            return content.decode()

    def stop(self) -> None:
        """Stop it; nobody answers then."""
        if self.process is not None:
            self.process.end()
            print(self.process)
            self.process = None

    def end(self) -> None:
        """End all of it."""
        self.stop()
        if self.names is not None:
            self.names.end()
            print(self.names)

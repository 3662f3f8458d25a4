"""Knot, a name server that takes dynamic updates."""

import base64
import os
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from tests.peers.needs import need
from tests.peers.pebble import free_port
from tests.peers.process import Process
from tests.peers.waiting import until

CONFIG = """\
server:
    rundir: "{folder}"
    listen: 127.0.0.1@{port}
    {who}
log:
  - target: stderr
    any: info
database:
    storage: "{folder}"
key:
  - id: tidegate
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: signed
    key: tidegate
    action: update
zone:
  - domain: example.test
    file: "{folder}/example.test.zone"
    acl: signed
    journal-content: none
"""
ZONE = """\
$ORIGIN example.test.
$TTL 1
@ SOA ns hostmaster 1 3600 900 604800 1
@ NS ns
ns A 127.0.0.1
@ A 127.0.0.1
* A 127.0.0.1
"""


class Knot:
    """Serves `example.test`, and takes updates of it that the key `tidegate` has signed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.port = free_port()
        self.secret = base64.b64encode(os.urandom(32)).decode()
        (folder / "example.test.zone").write_text(ZONE)
        who = "user: root:root" if os.geteuid() == 0 else ""
        config = folder / "knot.conf"
        config.write_text(CONFIG.format(folder=folder, port=self.port, secret=self.secret, who=who))
        self.process = Process([need("knotd"), "-c", config])
        until(lambda: self.ask("ns.example.test", "A") == ["127.0.0.1"])

    def ask(self, name: str, kind: str) -> list[str]:
        """Look a name up."""
        try:
            query = dns.message.make_query(name, kind)
            answer = dns.query.tcp(query, "127.0.0.1", port=self.port, timeout=2)
        except (dns.exception.DNSException, OSError):
            return []
        wanted = dns.rdatatype.from_text(kind)
        return [str(each) for found in answer.answer if found.rdtype == wanted for each in found]

    def end(self) -> None:
        """End it."""
        self.process.end()
        print(self.process)

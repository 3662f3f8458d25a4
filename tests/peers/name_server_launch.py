"""Runs the `tidegate` command, but for where it looks names up: its own files, and a port for the name server."""

import os
from pathlib import Path

import dns.asyncresolver

from tidegate.cli.main import main
from tidegate.discovery.resolver import SystemResolver

_made = dns.asyncresolver.Resolver.__init__


def _on_the_port(self: dns.asyncresolver.Resolver, *words: object, **named: object) -> None:
    _made(self, *words, **named)  # type: ignore[arg-type]
    self.port = int(os.environ["TEST_DNS_PORT"])


def ask_the_tests_server() -> None:
    """Look names up as the environment says."""
    dns.asyncresolver.Resolver.__init__ = _on_the_port  # type: ignore[method-assign,assignment]
    files = (Path(os.environ["TEST_HOSTS"]), Path(os.environ["TEST_RESOLV_CONF"]))
    SystemResolver.__init__.__defaults__ = files


if __name__ == "__main__":
    ask_the_tests_server()
    main()

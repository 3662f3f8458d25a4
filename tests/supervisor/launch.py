"""Runs the `tidegate` command with the small worker in place of the engine; tells of each import after `ready`."""

import importlib
import os
import sys
from pathlib import Path

from tests.peers.name_server_launch import ask_the_tests_server
from tidegate.cli.main import main
from tidegate.supervisor import instance, worker

WORKER = Path(__file__).with_name("small_worker.py")


def command(descriptor: int) -> list[str]:
    """Give the words that start the small worker."""
    return [sys.executable, str(WORKER), str(descriptor)]


class Telling:
    """Finds no module, but tells of each that is looked for. An audit hook would miss `importlib.import_module`."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Print a line for it."""
        print(f"IMPORTED {name}", file=sys.stderr, flush=True)


def begin() -> None:
    """Put the small worker in place, and watch over imports as soon as the instance is ready."""
    worker.command = command
    if "TEST_DNS_PORT" in os.environ:
        ask_the_tests_server()
    say_ready = instance.Instance._say_ready

    def say_and_watch(self: instance.Instance) -> None:
        sys.meta_path.insert(0, Telling())
        say_ready(self)
        if name := os.environ.get("IMPORT_AFTER_READY"):
            importlib.import_module(name)

    instance.Instance._say_ready = say_and_watch  # type: ignore[method-assign]


if __name__ == "__main__":
    begin()
    main()

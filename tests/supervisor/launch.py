"""Runs the `tidegate` command with the small worker in place of the engine; tells of each import after `ready`."""

import sys
from pathlib import Path

from tidegate.cli.main import main
from tidegate.supervisor import instance, worker

WORKER = Path(__file__).with_name("small_worker.py")


def command(descriptor: int) -> list[str]:
    """Give the words that start the small worker."""
    return [sys.executable, str(WORKER), str(descriptor)]


def tell_imports() -> None:
    """From now on, print a line for each module that is imported."""

    def hook(event: str, words: tuple[object, ...]) -> None:
        if event == "import":
            print(f"IMPORTED {words[0]}", file=sys.stderr, flush=True)

    sys.addaudithook(hook)


def begin() -> None:
    """Put the small worker in place, and watch over imports as soon as the instance is ready."""
    worker.command = command
    say_ready = instance.Instance._say_ready

    def say_and_watch(self: instance.Instance) -> None:
        tell_imports()
        say_ready(self)

    instance.Instance._say_ready = say_and_watch  # type: ignore[method-assign]


if __name__ == "__main__":
    begin()
    main()

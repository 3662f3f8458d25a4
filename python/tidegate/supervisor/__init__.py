"""Supervisor: owns the sockets, starts or adopts the worker, and gives it snapshots.

`instance.py` is the life of an instance, `belongings.py` what it has, `parts.py` what it is made of, `asked.py` what it
is asked. `keeper.py` keeps its worker serving, `worker.py` is that process, `frames.py` how the two talk. Commands
reach an instance through `client.py`. An upgrade begins in `upgrade.py`. Nothing is imported once an instance is ready:
an upgrade replaces files.
Imports: config, compile, discovery. Imported by: cli.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate.supervisor.instance import run

__all__ = ["run"]


def __getattr__(name: str) -> Any:
    if name != "run":
        raise AttributeError(f"module 'tidegate.supervisor' has no attribute {name!r}")
    from tidegate.supervisor.instance import run

    return run

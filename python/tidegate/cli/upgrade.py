"""`tidegate upgrade`: the program that is now on disk takes over from the one that runs."""

from pathlib import Path

from tidegate.cli.exits import DONE

PATIENCE_S = 900.0
"""Longer than `upgrade.ready` is in all likelihood; the instance tells when that is over."""


def upgrade(config: Path | None = None, *, socket: Path | None = None) -> int:
    """Have the program that is now on disk take over from the one that runs.

    It is tried first: it reads the configuration, and has a worker of its own serve on the same sockets. If that fails,
    the old one serves on, and the reason is printed. What was begun, a download or a tunnel, is finished by the old
    worker.

    Example: tidegate upgrade tidegate.yaml

    Parameters
    ----------
    config
        The configuration that it was started with; default: the only instance there is.
    socket
        Its control socket.
    """
    from tidegate.cli.instance import ask

    answer = ask("upgrade", config, socket, patience_s=PATIENCE_S)
    if isinstance(answer, int):
        return answer
    told = answer.get("status") or {}
    worker, older = told.get("worker") or {}, told.get("older") or ()
    print(f"tidegate {told.get('version')} serves: generation {told.get('generation')}, worker {worker.get('pid')}")
    if older:
        pids = ", ".join(str(each.get("pid")) for each in older)
        print(f"workers of before finish what they began: {pids}")
    return DONE

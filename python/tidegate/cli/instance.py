"""`tidegate reload`, `status` and `stop`: what is asked of the running instance, through its control socket."""

import json as json_module
import sys
import time
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from tidegate.cli.exits import DONE, INPUT_IS_WRONG, NOT_REACHED, USED_WRONGLY


def reload(config: Path | None = None, *, socket: Path | None = None) -> int:
    """Make the running instance read its configuration anew.

    Answers when every thread serves the new snapshot, or says why it does not; then nothing has changed.

    Example: tidegate reload tidegate.yaml

    Parameters
    ----------
    config
        The configuration that it was started with; default: the only instance there is.
    socket
        Its control socket.
    """
    answer = ask("reload", config, socket)
    return answer if isinstance(answer, int) else DONE


def stop(config: Path | None = None, *, socket: Path | None = None) -> int:
    """Drain the running instance, then end it.

    Example: tidegate stop tidegate.yaml

    Parameters
    ----------
    config
        The configuration that it was started with; default: the only instance there is.
    socket
        Its control socket.
    """
    answer = ask("stop", config, socket)
    return answer if isinstance(answer, int) else DONE


def status(
    config: Path | None = None,
    *,
    json: Annotated[bool, Parameter(negative=())] = False,
    socket: Path | None = None,
) -> int:
    """Show what the running instance does.

    Example: tidegate status --json

    Parameters
    ----------
    config
        The configuration that it was started with; default: the only instance there is.
    json
        Print everything, as JSON.
    socket
        Its control socket.
    """
    answer = ask("status", config, socket)
    if isinstance(answer, int):
        return answer
    told = answer.get("status", {})
    if json:
        print(json_module.dumps(told, indent=2))
    else:
        from tidegate.cli.status_text import describe

        print("\n".join(describe(told, time.time())))
    return DONE


def ask(
    command: str,
    config: Path | None,
    socket: Path | None,
    asked: dict[str, Any] | None = None,
    patience_s: float | None = None,
) -> dict[str, Any] | int:
    """Ask the instance that is meant; what went wrong is printed, and its exit code returned."""
    from tidegate.supervisor.client import PATIENCE_S, Ambiguous, NotReached, find
    from tidegate.supervisor.client import ask as ask_instance

    try:
        answer = ask_instance(find(config, socket), command, asked, patience_s or PATIENCE_S)
    except NotReached as error:
        print(f"tidegate: {error}", file=sys.stderr)
        return NOT_REACHED
    except Ambiguous as error:
        print(f"tidegate: {error}", file=sys.stderr)
        return USED_WRONGLY
    if not answer.get("ok"):
        print(answer.get("error", "the instance refused and gave no reason"), file=sys.stderr)
        return INPUT_IS_WRONG
    return answer

"""Where commands find the certificates of an instance: where it says that it keeps them, or where it would."""

import os
import sys
from pathlib import Path
from typing import Any

from tidegate.certificates.store import Store
from tidegate.cli.exits import INPUT_IS_WRONG, NOT_REACHED, USED_WRONGLY


def runs(config: Path | None, socket: Path | None) -> dict[str, Any] | None:
    """Give the status of the instance that is meant; None where none answers. Raises `Ambiguous`."""
    from tidegate.supervisor.client import NotReached, ask, find

    try:
        answer = ask(find(config, socket), "status")
    except NotReached:
        return None
    status = answer.get("status")
    return status if isinstance(status, dict) else None


def store_of(config: Path | None, socket: Path | None) -> Store | int:
    """Give the store of the instance that is meant, running or not; or the exit code, where that is not known."""
    from tidegate.supervisor.client import Ambiguous

    try:
        status = runs(config, socket)
    except Ambiguous as error:
        print(f"tidegate: {error}", file=sys.stderr)
        return USED_WRONGLY
    if status is not None:
        return Store(Path(status["state"]))
    if config is None:
        print("tidegate: no instance runs here; name its configuration with --config", file=sys.stderr)
        return NOT_REACHED
    return _store_in(config)


def _store_in(config: Path) -> Store | int:
    from tidegate.config.load import load
    from tidegate.supervisor.state import instance_name, state_folder

    loaded = load(config)
    if loaded.config is None:
        for problem in loaded.problems:
            print(problem, file=sys.stderr)
        return INPUT_IS_WRONG
    name = instance_name(str(config), "")
    return Store(state_folder(loaded.config.state, name, os.environ, os.geteuid()))


def list_kept(store: Store) -> list[dict[str, Any]]:
    """Tell of what is kept, in the shape in which an instance tells of it."""
    told = []
    for kind in ("auto", "internal"):
        for name, there in store.all(kind):
            facts = there.facts if there is not None else None
            told.append(
                {
                    "name": name,
                    "kind": kind,
                    "issuer": facts.issuer if facts is not None else None,
                    "serial": facts.serial if facts is not None else None,
                    "not_after": facts.not_after if facts is not None else None,
                    "renew": None,
                    "failures": 0,
                    "error": "" if facts is not None else "its file cannot be read",
                    "again": None,
                    "under_way": False,
                }
            )
    return told

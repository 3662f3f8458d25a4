"""The nearest thing that a person may have meant."""

import difflib
from collections.abc import Iterable
from typing import Any

CUTOFF = 0.5
"""Lower than difflib's own, so that one wrong letter in `to` still finds it."""


def nearest(given: Any, known: Iterable[str], cutoff: float = CUTOFF) -> str | None:
    """Find the name nearest to what was written, if any is near."""
    if not isinstance(given, str):
        return None
    found = difflib.get_close_matches(given.lower(), list(known), n=1, cutoff=cutoff)
    return found[0] if found else None


def did_you_mean(given: Any, known: Iterable[str]) -> str:
    """Ask for the nearest name, or list them all where none is near and they are few."""
    names = sorted(known)
    near = nearest(given, names)
    if near is not None:
        return f"did you mean `{near}`?"
    return f"known here: {', '.join(names)}" if 0 < len(names) <= 16 else ""

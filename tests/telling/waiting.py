"""Waiting for what the log thread does: it tells nobody when it is done, so its results are looked at."""

import time
from collections.abc import Callable


def until(holds: Callable[[], object], within_s: float = 10) -> None:
    """Look again and again, and fail when it does not hold in time."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"did not come to hold within {within_s} s"
        time.sleep(0.02)

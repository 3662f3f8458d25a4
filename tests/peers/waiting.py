"""Waiting for what tells nobody when it is done, as the log thread or the kernel: it is looked at again and again."""

import time
from collections.abc import Callable


def until(holds: Callable[[], object], within_s: float = 10) -> None:
    """Look again and again, and fail when it does not hold in time."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"did not come to hold within {within_s} s"
        time.sleep(0.02)

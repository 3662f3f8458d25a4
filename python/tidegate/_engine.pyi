"""What the engine offers to Python. `crates/python/src/` has one file for each of these."""

from typing import Any

def parse_yaml(text: str) -> tuple[Any, list[tuple[int, int, int, str, str]]]:
    """Parse one YAML 1.2 document into `(kind, value, line, column, end_line, end_column, text)` and faults."""

def pattern_flaw(pattern: str) -> str | None:
    """Say why `pattern` cannot be a route's `regex`, in the words of the dialect; none if it can."""

def work(fd: int) -> None:
    """Serve supervisors on the listening Unix socket `fd`, which it owns, until a drain has ended. Raises `OSError`."""

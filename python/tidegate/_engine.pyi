"""What the engine offers to Python. `crates/python/src/` has one file for each of these."""

from typing import Any

def parse_yaml(text: str) -> tuple[Any, list[tuple[int, int, int, str, str]]]:
    """Parse one YAML 1.2 document into `(kind, value, line, column, end_line, end_column, text)` and faults."""

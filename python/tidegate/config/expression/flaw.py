"""What is wrong with an expression, and where in its text."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flaw(Exception):
    """One thing wrong. `start` counts from 0, in characters."""

    says: str
    """A sentence, or beginning with `must`, `is`, `has`, … what the expression must, is, has."""
    start: int
    width: int
    hint: str = ""

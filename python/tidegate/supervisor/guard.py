"""What a rollout must hold to go on: `error_rate < 1% and p99 < 1.2 * baseline`, Python's own grammar and few words.

`error_rate` is the share of requests that failed or were answered with 500 and more, `p50` to `p99.9` the time in
seconds in which so many of a hundred answers began, `requests` how many there were. `baseline` is the same figure of
what the new upstream replaces, in the same time. Numbers may have a unit: `1%`, `250ms`, `2s`.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

UNITS = {"%": 0.01, "ms": 0.001, "s": 1.0}
NUMBER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)(%|ms|s)(?!\w)")
PERCENTILE = re.compile(r"p([1-9][0-9]?(?:_[0-9]{1,2})?)")
MOST = 1000
"""Characters of an expression."""

_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class NotAGuard(Exception):
    """The text is no guard; it says why."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted of one upstream in a time."""

    good: int = 0
    bad: int = 0
    waits: Mapping[int, int] = field(default_factory=dict)
    """Times until answers began: the most nanoseconds of a bucket, and how many fell in it."""

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return self.good + self.bad

    def since(self, before: "Figures") -> "Figures":
        """What was counted after `before`; all of it where the counters began anew meanwhile."""
        if self.good < before.good or self.bad < before.bad:
            return self
        waits = {most: count - before.waits.get(most, 0) for most, count in self.waits.items()}
        return Figures(self.good - before.good, self.bad - before.bad, waits)

    def read(self, name: str) -> float | None:
        """Give a figure by its name; None where nothing was counted."""
        if name == "requests":
            return float(self.requests)
        if name == "error_rate":
            return self.bad / self.requests if self.requests else None
        share = float(name[1:].replace("_", ".")) / 100
        total, seen = sum(self.waits.values()), 0
        for most, count in sorted(self.waits.items()):
            seen += count
            if count and seen >= share * total:
                return most / 1e9
        return None


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard, read."""

    text: str
    tree: ast.expr

    @classmethod
    def read(cls, text: str) -> "Guard":
        """Read the text. Raises `NotAGuard`."""
        if len(text) > MOST:
            raise NotAGuard(f"a guard has at most {MOST} characters")
        names = re.sub(r"\b(p\d+)\.(\d)", r"\1_\2", text)  # what Python takes for a name
        plain = NUMBER.sub(lambda found: f"({float(found[1]) * UNITS[found[2]]!r})", names)
        try:
            tree = ast.parse(plain.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise NotAGuard(f"`{text}` is no expression, as `error_rate < 1% and p99 < 1.2 * baseline`") from None
        _check(tree, is_condition=True)
        return cls(text, tree)

    def broken_by(self, new: Figures, old: Figures) -> str:
        """Say why it does not hold; nothing where it does, or where there is nothing to compare with."""
        holds, says = _judge(self.tree, new, old)
        return "" if holds else "; ".join(says)


def _check(tree: ast.expr, *, is_condition: bool) -> None:
    match tree:
        case ast.BoolOp(values=values) if is_condition:
            for each in values:
                _check(each, is_condition=True)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if is_condition and type(op) in _COMPARISONS:
            _check(left, is_condition=False)
            _check(right, is_condition=False)
            names = {each.id for each in _names(tree)}
            if len(names - {"baseline"}) != 1:
                raise NotAGuard(f"`{ast.unparse(tree)}` must compare one figure: error_rate, requests, p50 to p99.9")
        case ast.BinOp(left=left, op=operation, right=right) if not is_condition and type(operation) in _ARITHMETIC:
            _check(left, is_condition=False)
            _check(right, is_condition=False)
        case ast.Constant(value=bool()):
            raise NotAGuard("a guard compares figures: `error_rate < 1%`")
        case ast.Constant(value=int() | float()) if not is_condition:
            pass
        case ast.Name(id=name) if not is_condition:
            if name not in ("error_rate", "requests", "baseline") and not PERCENTILE.fullmatch(name):
                raise NotAGuard(f"there is no figure `{name}`: error_rate, requests, p50 to p99.9, baseline")
        case _:
            what = "a comparison" if is_condition else "a number or a figure"
            raise NotAGuard(f"`{ast.unparse(tree)}` is not {what}; they are joined by `and` and `or`")


def _names(tree: ast.AST) -> Iterator[ast.Name]:
    return (each for each in ast.walk(tree) if isinstance(each, ast.Name))


def _judge(tree: ast.expr, new: Figures, old: Figures) -> tuple[bool, list[str]]:
    if isinstance(tree, ast.BoolOp):
        judged = [_judge(each, new, old) for each in tree.values]
        says = [each for holds, words in judged if not holds for each in words]
        is_all = isinstance(tree.op, ast.And)
        return (all if is_all else any)(holds for holds, _ in judged), says
    assert isinstance(tree, ast.Compare)
    name = next(each.id for each in _names(tree) if each.id != "baseline")
    values = {name: new.read(name), "baseline": old.read(name)}
    left, right = _value(tree.left, values), _value(tree.comparators[0], values)
    if left is None or right is None:
        return True, []
    if _COMPARISONS[type(tree.ops[0])](left, right):
        return True, []
    told = [f"{name.replace('_', '.') if name[0] == 'p' else name} is {_show(name, values[name])}"]
    if any(each.id == "baseline" for each in _names(tree)):
        told.append(f"the baseline {_show(name, values['baseline'])}")
    return False, [f"{' and '.join(told)}, which breaks `{_written(tree)}`"]


def _value(tree: ast.expr, values: Mapping[str, float | None]) -> float | None:
    match tree:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=operation, right=right):
            one, other = _value(left, values), _value(right, values)
            return None if one is None or other is None else _ARITHMETIC[type(operation)](one, other)
    raise AssertionError("what was read is nothing else")


def _written(tree: ast.expr) -> str:
    return re.sub(r"\bp(\d+)_(\d+)", r"p\1.\2", ast.unparse(tree))


def _show(name: str, value: Any) -> str:
    if value is None:
        return "unknown"
    if name == "requests":
        return f"{value:.0f}"
    return f"{value:.2%}" if name == "error_rate" else f"{value * 1000:.3g} ms"

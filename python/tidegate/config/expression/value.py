"""Parts of an expression that give a value: words, literals, texts made of texts."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tidegate._engine import pattern_flaw
from tidegate.config.expression import source
from tidegate.config.expression.flaw import Flaw
from tidegate.config.expression.vocabulary import FAMILIES, METHODS, SETS, WORDS, Kind
from tidegate.config.hints import did_you_mean

TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""What the name of a header may hold (RFC 9110, section 5.6.2)."""
BILLION = 10**9
MOST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Value:
    """A part of an expression: what it gives, and its form for the core."""

    kind: Kind
    form: Any
    """Of texts and numbers as the core reads them; of a list its values; of a set its name."""
    node: ast.expr

    @property
    def literal(self) -> str | None:
        """The text itself, where it is written out."""
        return self.form.get("literal") if self.kind is Kind.TEXT else None


@dataclass(frozen=True, slots=True)
class SetUse:
    """Where an expression looks into a set, and for what."""

    name: str
    for_address: bool
    start: int
    width: int


@dataclass(frozen=True, slots=True)
class GeoUse:
    """Where an expression has a word that a database tells, and which ones do."""

    word: str
    by: tuple[str, ...]
    start: int
    width: int


Use = SetUse | GeoUse
"""What an expression needs of the rest of the configuration."""


class Reader:
    """One expression that is being read. `condition.py` reads the conditions in it."""

    def __init__(self, text: str, *, of_answer: bool, condition: "Callable[[Reader, ast.expr], Any]") -> None:
        self.text = text
        self.of_answer = of_answer
        self.uses: list[Use] = []
        self._condition = condition

    def flaw(self, says: str, node: ast.expr, hint: str = "") -> Flaw:
        """Say what is wrong with a part."""
        return Flaw(says, *source.span(node, self.text), hint)

    def written(self, node: ast.expr) -> str:
        """Give a part as it was written, if it is short."""
        start, width = source.span(node, self.text)
        shown = " ".join(self.text[start : start + width].split())
        return shown if len(shown) <= 40 else f"{shown[:37]}..."

    def value(self, node: ast.expr) -> Value:
        """Read a part that gives something. Raises `Flaw`."""
        match node:
            case ast.Constant():
                return self._literal(node)
            case ast.Name() | ast.Attribute():
                return self._word(node)
            case ast.Subscript():
                return self._named(node)
            case ast.Call():
                return self._call(node)
            case ast.List() | ast.Tuple() | ast.Set():
                return Value(Kind.LIST, [self.value(each) for each in node.elts], node)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return self._number(-number, node)
            case ast.BinOp(op=ast.Add()):
                return self._sum(node)
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
                return Value(Kind.CONDITION, self._condition(self, node), node)
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr() as op):
                right = "and" if isinstance(op, ast.BitAnd) else "or"
                raise self.flaw(f"`{'&' if right == 'and' else '|'}` means nothing here", node, f"write `{right}`")
            case _:
                raise self.flaw(f"`{self.written(node)}` is nothing that an expression can say", node)

    def text_of(self, value: Value, *, why: str = "here") -> dict[str, Any]:
        """Give the form of a text, or say that it is none. An address and a number have a text."""
        if value.kind in (Kind.TEXT, Kind.ADDRESS):
            form: dict[str, Any] = value.form
            return form
        if value.kind is Kind.NUMBER:
            number = value.form.get("literal")
            return {"literal": f"{Decimal(number) / BILLION:f}"} if number is not None else dict(value.form)
        raise self.flaw(f"must be text {why}, and `{self.written(value.node)}` is {value.kind.value}", value.node)

    def _literal(self, node: ast.Constant) -> Value:
        given = node.value
        if isinstance(given, bool):
            return Value(Kind.CONDITION, {"always": given}, node)
        if isinstance(given, int | float):
            return self._number(given, node)
        if not isinstance(given, str):
            raise self.flaw(f"`{self.written(node)}` is neither text nor a number", node)
        if any(0xD800 <= ord(letter) <= 0xDFFF for letter in given):
            raise self.flaw("has half a surrogate pair, which no text can hold", node)
        return Value(Kind.TEXT, {"literal": given}, node)

    def _number(self, given: int | float, node: ast.expr) -> Value:
        exact = Decimal(repr(given)) * BILLION
        if not exact.is_finite() or abs(exact) > MOST or exact != exact.to_integral_value():
            raise self.flaw("is a number with more digits than make sense: at most 9 behind the point", node)
        return Value(Kind.NUMBER, {"literal": int(exact)}, node)

    def _sum(self, node: ast.BinOp) -> Value:
        parts: list[Any] = []
        for side in (node.left, node.right):
            value = self.value(side)
            if value.kind not in (Kind.TEXT, Kind.ADDRESS):
                raise self.flaw(f"`+` joins texts, and `{self.written(side)}` is {value.kind.value}", side)
            parts += value.form.get("sum", [value.form])
        return Value(Kind.TEXT, {"sum": parts}, node)

    def _word(self, node: ast.Name | ast.Attribute) -> Value:
        name = dotted(node)
        if name is None:
            assert isinstance(node, ast.Attribute)
            return self._attribute(node)
        word = WORDS.get(name)
        if word is not None:
            if word.of_answer and not self.of_answer:
                says = f"`{name}` is known only when the answer is: in the access log and on error pages"
                raise self.flaw(says, node)
            if word.by:
                self.uses.append(GeoUse(name, word.by, *source.span(node, self.text)))
            return Value(word.kind, {"word": name}, node)
        if name in FAMILIES:
            raise self.flaw(f"`{name}` needs a name", node, f"as `{FAMILIES[name].example}`")
        if name == SETS:
            raise self.flaw("`sets` needs a name", node, 'as `client.ip in sets["office"]`')
        owner, _, last = name.rpartition(".")
        if owner in WORDS or owner in FAMILIES:
            assert isinstance(node, ast.Attribute)
            if owner in WORDS and last in METHODS:
                raise self.flaw(f"`.{last}` needs brackets", node, f"write `.{last}(…)`")
            if owner in FAMILIES and last not in METHODS:
                raise self.flaw(f"`{name}` is no word", node, f'write `{owner}["{last}"]`')
            raise self.flaw(
                f"{WORDS[owner].kind.value} has no `.{last}`" if owner in WORDS else f"unknown word `{name}`",
                node,
                did_you_mean(last, METHODS),
            )
        raise self.flaw(f"unknown word `{name}`", node, self._near(name))

    def _near(self, name: str) -> str:
        known = [word for word, what in WORDS.items() if self.of_answer or not what.of_answer]
        known += [family for family in FAMILIES if family not in known]
        ends = [word for word in known if word.rpartition(".")[2] == name.lower()]
        return f"did you mean `{ends[0]}`?" if ends else did_you_mean(name, known)

    def _attribute(self, node: ast.Attribute) -> Value:
        """`.all` of what may stand there several times; of anything else only methods may be asked."""
        if node.attr in METHODS:
            raise self.flaw(f"`.{node.attr}` needs brackets", node, f"write `.{node.attr}(…)`")
        value = self.value(node.value)
        if node.attr == "all" and value.kind is Kind.TEXT and "joined" in value.form:
            return Value(Kind.TEXTS, value.form["joined"], node)
        hint = did_you_mean(node.attr, [*METHODS, "all"])
        raise self.flaw(f"{value.kind.value} has no `.{node.attr}`", node, hint)

    def _named(self, node: ast.Subscript) -> Value:
        owner = dotted(node.value)
        if owner is None or (owner not in FAMILIES and owner != SETS):
            known = [*FAMILIES, SETS]
            raise self.flaw(f"`{self.written(node.value)}` has nothing by name", node.value, did_you_mean(owner, known))
        match node.slice:
            case ast.Constant(value=str(name)) if name:
                pass
            case _:
                raise self.flaw(f'`{owner}[…]` takes a name in quotes, as `{owner}["x"]`', node.slice)
        if owner == SETS:
            return Value(Kind.SET, name, node)
        if owner == "request.headers":
            if not TOKEN.issuperset(name):
                raise self.flaw(f"`{name}` is no name that a header can have", node.slice)
            name = name.lower()
        self._literal(node.slice)
        return Value(Kind.TEXT, {"joined": {FAMILIES[owner].tag: name}}, node)

    def _call(self, node: ast.Call) -> Value:
        if not isinstance(node.func, ast.Attribute):
            raise self.flaw(
                f"`{self.written(node.func)}` is nothing that can be called", node, f"known: {', '.join(METHODS)}"
            )
        name = node.func.attr
        if name not in METHODS:
            raise self.flaw(f"unknown method `.{name}`", node.func, did_you_mean(name, METHODS))
        whole = self.value(node.func.value)
        if whole.kind is not Kind.TEXT:
            hint = 'write `client.ip in ["10.0.0.0/8"]`' if whole.kind is Kind.ADDRESS else ""
            raise self.flaw(
                f"`.{name}` is asked of texts, and `{self.written(whole.node)}` is {whole.kind.value}", node.func, hint
            )
        wanted = 0 if name == "lower" else 1
        if node.keywords or len(node.args) != wanted:
            what = "nothing" if wanted == 0 else "one text"
            raise self.flaw(f"`.{name}` takes {what} in its brackets", node)
        if name == "lower":
            return Value(Kind.TEXT, {"lower": whole.form}, node)
        return Value(Kind.CONDITION, self._asked(name, whole, node.args[0]), node)

    def _asked(self, name: str, whole: Value, argument: ast.expr) -> dict[str, Any]:
        if name == "matches":
            given = self.value(argument)
            if given.literal is None:
                raise self.flaw("`.matches` takes a pattern that is written out", argument)
            return {"matches": {"text": whole.form, "pattern": self._pattern(given.literal, argument)}}
        given = self.value(argument)
        if isinstance(argument, ast.List | ast.Set):
            raise self.flaw(f"`.{name}` takes a text or a tuple, as Python's does", argument, "use ( ) in place of [ ]")
        each = given.form if given.kind is Kind.LIST else [given]
        texts = []
        for one in each:
            if one.kind is not Kind.TEXT:
                raise self.flaw(f"`.{name}` takes texts, and this is {one.kind.value}", one.node)
            texts.append(one.form)
        return {"starts_with" if name == "startswith" else "ends_with": {"text": whole.form, "with": texts}}

    def _pattern(self, pattern: str, node: ast.expr) -> str:
        if not pattern:
            raise self.flaw("is an empty pattern, which matches everything", node)
        if says := pattern_flaw(pattern):
            raise self.flaw(f"is no pattern of the engine's dialect: {says}", node)
        return pattern


def dotted(node: ast.expr) -> str | None:
    """Give `a.b.c` of names and attributes; none where something else is in it."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            owner = dotted(value)
            return None if owner is None else f"{owner}.{attr}"
        case _:
            return None

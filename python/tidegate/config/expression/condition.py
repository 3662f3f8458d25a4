"""Parts of an expression that give yes or no: comparisons, `in`, `and`, `or`, `not`."""

import ast
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from tidegate.config.addresses import Network
from tidegate.config.expression import source
from tidegate.config.expression.value import Reader, SetUse, Value
from tidegate.config.expression.vocabulary import Kind

SIGNS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


def condition(reader: Reader, node: ast.expr) -> dict[str, Any]:
    """Read a part that gives yes or no. Raises `Flaw`."""
    match node:
        case ast.BoolOp(op=op, values=values):
            return {"all" if isinstance(op, ast.And) else "any": [condition(reader, each) for each in values]}
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return {"not": condition(reader, operand)}
        case ast.Compare():
            return _chain(reader, node)
        case _:
            value = reader.value(node)
            if value.kind is not Kind.CONDITION:
                shown = reader.written(node)
                hint = f'write `{shown} != ""`' if value.kind is Kind.TEXT else ""
                raise reader.flaw(f"must be a condition, and `{shown}` is {value.kind.value}", node, hint)
            form: dict[str, Any] = value.form
            return form


def _chain(reader: Reader, node: ast.Compare) -> dict[str, Any]:
    """Read `a < b < c`, which holds where both halves do, as in Python."""
    values = [reader.value(each) for each in (node.left, *node.comparators)]
    pairs = zip(values, node.ops, values[1:], strict=False)
    rules = [_compare(reader, left, op, right) for left, op, right in pairs]
    return rules[0] if len(rules) == 1 else {"all": rules}


def _compare(reader: Reader, left: Value, op: ast.cmpop, right: Value) -> dict[str, Any]:
    match op:
        case ast.In():
            return _within(reader, left, right)
        case ast.NotIn():
            return {"not": _within(reader, left, right)}
        case ast.Is() | ast.IsNot():
            raise reader.flaw("`is` compares nothing here", right.node, "write `==` or `!=`")
    sign = SIGNS[type(op)]
    if Kind.ADDRESS in (left.kind, right.kind):
        return _address(reader, left, sign, right)
    if left.kind is right.kind is Kind.TEXT:
        return {"texts": {"left": left.form, "is": sign, "right": right.form}}
    if left.kind is right.kind is Kind.NUMBER:
        return {"numbers": {"left": left.form, "is": sign, "right": right.form}}
    for side in (left, right):
        if side.kind in (Kind.TEXTS, Kind.LIST, Kind.SET):
            says = f"`{sign}` compares single values, and `{reader.written(side.node)}` is {side.kind.value}"
            raise reader.flaw(says, side.node, "ask with `in`")
        if side.kind is Kind.CONDITION:
            raise reader.flaw(f"`{sign}` compares values, and `{reader.written(side.node)}` is a condition", side.node)
    number = right if right.kind is Kind.NUMBER else left
    is_written = "literal" in number.form
    hint = f'quote it: "{reader.written(number.node)}"' if is_written else "compare it with a number, without quotes"
    raise reader.flaw("a text and a number are never equal", number.node if is_written else right.node, hint)


def _address(reader: Reader, left: Value, sign: str, right: Value) -> dict[str, Any]:
    """Read `client.ip == "10.0.0.0/8"`: addresses compare as networks."""
    other = right if left.kind is Kind.ADDRESS else left
    if sign not in ("==", "!="):
        raise reader.flaw("addresses have no order", other.node, 'ask with `in`, as `client.ip in ["10.0.0.0/8"]`')
    rule = {"client_within": [_network(reader, other)]}
    return rule if sign == "==" else {"not": rule}


def _within(reader: Reader, left: Value, right: Value) -> dict[str, Any]:
    shown = reader.written(left.node)
    match left.kind, right.kind:
        case Kind.ADDRESS, Kind.LIST:
            return {"client_within": [_network(reader, each) for each in right.form]}
        case Kind.ADDRESS, Kind.TEXT:
            return {"client_within": [_network(reader, right)]}
        case Kind.ADDRESS | Kind.TEXT, Kind.SET:
            for_address = left.kind is Kind.ADDRESS
            reader.uses.append(SetUse(right.form, for_address, *source.span(right.node, reader.text)))
            return (
                {"client_in_set": right.form}
                if for_address
                else {"text_in_set": {"text": left.form, "set": right.form}}
            )
        case Kind.TEXT, Kind.TEXT:
            return {"contains": {"whole": right.form, "part": left.form}}
        case Kind.TEXT, Kind.TEXTS:
            return {"among_all": {"text": left.form, "all": right.form}}
        case Kind.TEXT | Kind.NUMBER, Kind.LIST:
            return _one_of(reader, left, right)
    if right.kind in (Kind.LIST, Kind.SET, Kind.TEXTS):
        raise reader.flaw(f"`in` looks for a text or a number there, and `{shown}` is {left.kind.value}", left.node)
    says = f"`in` looks into texts, lists and sets, and `{reader.written(right.node)}` is {right.kind.value}"
    raise reader.flaw(says, right.node)


def _one_of(reader: Reader, left: Value, right: Value) -> dict[str, Any]:
    for each in right.form:
        if each.kind is not left.kind:
            hint = f'quote it: "{reader.written(each.node)}"' if each.kind is Kind.NUMBER else ""
            says = f"`{reader.written(left.node)}` is {left.kind.value}, and this is {each.kind.value}"
            raise reader.flaw(says, each.node, hint)
    written = [each.form.get("literal") for each in right.form]
    name = "texts" if left.kind is Kind.TEXT else "numbers"
    if None in written:
        return {"any": [{name: {"left": left.form, "is": "==", "right": each.form}} for each in right.form]}
    if left.kind is Kind.TEXT:
        return {"one_of": {"text": left.form, "of": written}}
    return {"number_one_of": {"number": left.form, "of": written}}


def _network(reader: Reader, value: Value) -> str:
    if value.literal is None:
        says = f"an address is compared with networks that are written out, and `{reader.written(value.node)}` is none"
        raise reader.flaw(says, value.node)
    try:
        network = Network.read(value.literal, Path())
    except PydanticCustomError as error:
        context = error.context or {}
        raise reader.flaw(context["says"], value.node, context["hint"]) from None
    if network.text == "unix:":
        raise reader.flaw("must be a network, as `10.0.0.0/8`, not `unix:`", value.node)
    return network.text

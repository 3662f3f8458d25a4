"""The text of an expression as Python's own grammar reads it, within bounds. Nothing of it is ever run."""

import ast
import io
import re
import tokenize
import warnings

from tidegate.config.expression.flaw import Flaw

MOST_LETTERS = 4_096
"""No expression is longer."""
MOST_LEVELS = 32
"""Brackets, operators and calls inside each other. The core allows 64, and the decoder of snapshots 128 of its own."""

_SIGN = re.compile(r"[^\w\"']")
_INSTEAD = {"&&": "`and`", "||": "`or`", "!": "`not`, or `!=`", "=": "`==`"}
"""What other languages write, and what is meant here."""


def parse(text: str) -> ast.expr:
    """Parse one expression. Lines are one: a line end is a space. Raises `Flaw`."""
    if not text.strip():
        raise Flaw('is empty: it must be an expression, as `request.method == "GET"`', 0, len(text))
    if len(text) > MOST_LETTERS:
        raise Flaw(f"is longer than the {MOST_LETTERS} characters that an expression may have", 0, len(text))
    line = one_line(text)
    bare = line.lstrip()
    begin = len(line) - len(bare)
    _refuse_comment(bare, begin)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a pattern's `\d` is Python's business nowhere but here
            tree = ast.parse(bare.rstrip(), mode="eval").body
    except SyntaxError as error:
        raise _of_syntax(error, line, begin) from None
    except (ValueError, RecursionError, MemoryError):
        raise Flaw(
            "cannot be read: it is nested too deep, or has a character that no expression has", 0, len(text)
        ) from None
    _check_depth(tree, bare, begin)
    return tree


def one_line(text: str) -> str:
    """Make spaces of line ends and tabs: each character stays where it was."""
    return text.translate({ord(blank): " " for blank in "\n\r\t\f\v"})


def span(node: ast.expr, text: str) -> tuple[int, int]:
    """Give start and width of a node, in characters of the text that was parsed."""
    line = one_line(text)
    begin = len(line) - len(line.lstrip())
    return _span(node, line[begin:], begin)


def _span(node: ast.expr, bare: str, begin: int) -> tuple[int, int]:
    start, end = node.col_offset, node.end_col_offset or node.col_offset + 1
    if not bare.isascii():  # Python counts bytes
        raw = bare.encode()
        start, end = len(raw[:start].decode()), len(raw[:end].decode())
    return begin + start, max(1, end - start)


def _refuse_comment(bare: str, begin: int) -> None:
    """Refuse `#` outside of strings: what stands behind it would be lost without a word."""
    if "#" not in bare:
        return
    try:
        for token in tokenize.generate_tokens(io.StringIO(bare).readline):
            if token.type == tokenize.COMMENT:
                raise Flaw("has a comment, and an expression is one line of words", begin + token.start[1], 1)
    except (tokenize.TokenError, SyntaxError):
        pass  # the parser says what is wrong, and where


def _of_syntax(error: SyntaxError, line: str, begin: int) -> Flaw:
    bare = line[begin:].rstrip()
    at = begin + (error.offset or 0) - 1
    if not begin <= at < begin + len(bare):
        at = begin + len(bare)  # the end came too soon
    for wrong, right in _INSTEAD.items():
        for start in (at, at + 1 - len(wrong)):
            if line[start : start + len(wrong)] == wrong and line[start + len(wrong) : start + len(wrong) + 1] != "=":
                return Flaw(f"is no expression: `{wrong}` means nothing here", start, len(wrong), f"write {right}")
    says = (error.msg or "invalid syntax").split(". ")[0].rstrip(".")
    if says.startswith(("invalid syntax", "unexpected EOF")):
        says = "something is missing or stands in the wrong place here"
    return Flaw(f"is no expression: {says}", at, 1)


def _check_depth(tree: ast.expr, bare: str, begin: int) -> None:
    if len(_SIGN.findall(bare)) < MOST_LEVELS:
        return  # each level takes a sign or a blank
    level: list[ast.AST] = [tree]
    for _ in range(MOST_LEVELS):
        level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        if not level:
            return
    deep = level[0]
    assert isinstance(deep, ast.expr)
    start, width = _span(deep, bare, begin)
    raise Flaw(f"is nested more than {MOST_LEVELS} levels deep here", start, width)

"""Whatever is written as an expression becomes one that the core takes, or a flaw with a place inside the text."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from tidegate._engine import fill_template, rule_holds
from tidegate.config.expression import ExchangeExpression, ExchangeTemplate
from tidegate.config.expression.value import SetUse

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

SOUP = """
request. client. response. headers cookies query method path ip port status listener failure sets ["a"] [1] .all
.lower() .matches("^a") .startswith( ( ) [ ] , == != < in not_in not and or + - "a" 'b' 1 0.5 True None {{ }} { }
lambda: # \\ f"{x}" é *a **b := if else @ ~
"""
tokens = st.sampled_from([*SOUP.split(), "\n"])
texts = st.text(max_size=40) | st.lists(tokens, max_size=12).map(
    lambda each: " ".join(each).replace("not_in", "not in").replace(". ", ".").replace(" [", "[")
)


@settings(max_examples=1500, deadline=None)
@given(texts)
def test_any_text_is_an_expression_or_a_flaw(text: str) -> None:
    try:
        written = ExchangeExpression.read(text)
    except PydanticCustomError as error:
        told_inside(error, text)
    else:
        rule = json.dumps(written.compiled)
        sets = [use for use in written.uses if isinstance(use, SetUse)]
        networks = {use.name: "10.0.0.0/8" for use in sets if use.for_address}
        others = {use.name: "x" for use in sets if not use.for_address}
        if not networks.keys() & others.keys():
            assert rule_holds(rule, HEAD, "10.1.2.3:5", networks | others) in (True, False)


@settings(max_examples=500, deadline=None)
@given(texts)
def test_any_text_is_a_template_or_a_flaw(text: str) -> None:
    try:
        written = ExchangeTemplate.read(text)
    except PydanticCustomError as error:
        told_inside(error, text)
    else:
        assert isinstance(fill_template(json.dumps(written.compiled), "text", HEAD, "10.1.2.3:5"), bytes)


def test_the_deepest_expression_is_taken_by_the_decoder_of_snapshots() -> None:
    text = "True"
    for level in range(30):
        text = f"({text} and True)" if level % 2 else f"({text} or False)"
    compiled = ExchangeExpression.read(text).compiled
    assert rule_holds(json.dumps(compiled), HEAD, "10.1.2.3:5", {})
    assert max_depth(compiled) < 90  # the decoder takes 127, and a frame puts it some ten levels deep


def max_depth(data: object) -> int:
    """Count how deep lists and objects stand inside each other."""
    inner = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return 1 + max((max_depth(each) for each in inner), default=0) if isinstance(data, dict | list) else 0


def told_inside(error: PydanticCustomError, text: str) -> None:
    """Hold a flaw to a place in the text, or just behind it."""
    context = error.context
    assert context is not None and context["says"]
    start, width = context["span"]
    assert 0 <= start <= len(text) and width >= 0 and start + width <= len(text) + 1

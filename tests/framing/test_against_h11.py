"""Framing agrees with h11 on every message that both accept: what it says, and where it ends.

Where one of them refuses, nothing is compared: h11 takes bare line feeds, folded lines and equal lengths twice, all of
which are refused here.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.framing.messages import answers, requests
from tests.framing.readers import (
    Found,
    Message,
    Refused,
    h11_answer,
    h11_request,
    our_answer,
    our_request,
)

EXAMPLES = 1_500

ENOUGH = 0.3
"""At least so many of all examples are to be accepted by both: the others show nothing."""


def test_a_request_is_what_h11_takes_it_for() -> None:
    compare(requests(), our_request, h11_request)


def test_an_answer_is_what_h11_takes_it_for() -> None:
    compare(answers(), lambda data: our_answer(data, "GET"), lambda data: h11_answer(data, "GET"))


def test_an_answer_to_head_is_what_h11_takes_it_for() -> None:
    compare(answers(), lambda data: our_answer(data, "HEAD"), lambda data: h11_answer(data, "HEAD"))


def compare(
    messages: st.SearchStrategy[bytes], ours: Callable[[bytes], Found], theirs: Callable[[bytes], Found]
) -> None:
    """Let both read many messages; fail with the smallest on which they differ, or where too few say anything."""
    outcomes: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(messages)
    def agree(data: bytes) -> None:
        our, their = ours(data), theirs(data)
        outcome = f"{type(our).__name__} here, {type(their).__name__} there"
        outcomes[outcome] += 1
        event(outcome)
        if isinstance(our, Refused) or isinstance(their, Refused):
            return
        if isinstance(our, Message) and isinstance(their, Message) and their.keeps is None:
            our = replace(our, keeps=None)
        assert our == their

    agree()
    both = outcomes["Message here, Message there"] / outcomes.total()
    assert both >= ENOUGH, outcomes

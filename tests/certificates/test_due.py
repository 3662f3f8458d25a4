"""When a certificate is renewed: laws that hold for all lives, windows and failures."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.certificates.due import (
    LONGEST_PAUSE_S,
    MOST_ASK_S,
    PAUSES_S,
    Failures,
    ask_again,
    renew_at,
)
from tidegate.certificates.facts import Facts, Window

DAY = 86_400.0
chances = st.floats(0, 1, exclude_max=True)
lives = st.floats(60, 400 * DAY)


def facts(life: float, window: Window | None = None) -> Facts:
    return Facts(("a.test",), 0.0, life, "1", "Some Authority", "acme", window=window)


@given(lives, chances)
def test_without_word_of_the_issuer_a_third_of_its_life_is_left(life: float, chance: float) -> None:
    at = renew_at(facts(life), lambda: chance)
    assert 0.6 * life < at < 0.73 * life


@given(lives, st.floats(-DAY, 400 * DAY), st.floats(1, DAY), chances)
def test_the_issuer_s_window_is_kept_to(life: float, start: float, length: float, chance: float) -> None:
    at = renew_at(facts(life, Window(start, start + length, 0, 0)), lambda: chance)
    assert at <= life
    assert start <= at <= start + length or at == life


def test_a_window_that_ends_before_it_begins_is_no_word() -> None:
    assert renew_at(facts(90 * DAY, Window(5, 5, 0, 0)), lambda: 0.5) == 60 * DAY


@given(st.floats(0, 1e9), st.none() | st.floats(-5, 1e9))
def test_what_an_issuer_said_holds_for_a_minute_to_a_day(now: float, wait: float | None) -> None:
    assert now + 60 <= ask_again(now, wait) <= now + MOST_ASK_S


@given(st.integers(0, 30), st.none() | st.floats(0, 1e9), chances)
def test_pauses_grow_and_are_as_long_as_the_issuer_asked(count: int, wait: float | None, chance: float) -> None:
    failed = Failures()
    for _ in range(count):
        failed = failed.and_one(1000.0, "no", None, lambda: chance)
    last = failed.and_one(1000.0, "no", wait, lambda: chance)
    pause = last.next - 1000.0
    assert last.count == count + 1
    assert pause >= 0.89 * PAUSES_S[0]
    assert pause <= max(1.11 * PAUSES_S[-1], LONGEST_PAUSE_S)
    assert pause >= min(wait or 0.0, LONGEST_PAUSE_S) - 1e-3


def test_an_hour_has_at_most_four_failures_of_a_name() -> None:
    now, failed, tried = 0.0, Failures(), []
    while now < 3_600:
        tried.append(now)
        failed = failed.and_one(now, "no", None, lambda: 0.0)
        now = failed.next
    assert len(tried) <= 5  # what Let's Encrypt lets a name fail in an hour

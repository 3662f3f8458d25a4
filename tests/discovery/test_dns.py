"""Names as a source of endpoints: the clock and the resolver are fakes."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.discovery.dns import Answer, LookupFailed, compare, watch_dns, with_port

addresses = st.frozensets(st.sampled_from(["10.0.0.1:80", "10.0.0.2:80", "[::1]:80", "10.0.0.3:80"]))


class Script:
    """A resolver that answers as written."""

    def __init__(self, *answers: Answer | LookupFailed) -> None:
        self.answers = list(answers)

    async def look_up(self, name: str) -> Answer:
        answer = self.answers.pop(0)
        if isinstance(answer, LookupFailed):
            raise answer
        return answer


class Clock:
    """A clock that never waits, and remembers how long it should have."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def watch(*answers: Answer | LookupFailed) -> tuple[list[frozenset[str] | LookupFailed], list[float]]:
    clock = Clock()

    async def collect() -> list[frozenset[str] | LookupFailed]:
        found: list[frozenset[str] | LookupFailed] = []
        async for each in watch_dns("api", 80, resolver=Script(*answers), clock=clock):
            found.append(each)
            if len(found) == len(answers):
                break
        return found

    return asyncio.run(collect()), clock.slept


def test_a_name_is_looked_up_again_when_its_ttl_ends() -> None:
    found, slept = watch(Answer(("10.0.0.1",), 30), Answer(("10.0.0.1", "::1"), 30))
    assert found == [frozenset({"10.0.0.1:80"}), frozenset({"10.0.0.1:80", "[::1]:80"})]
    assert slept == [0, 30]


@pytest.mark.parametrize(("ttl_s", "waits_s"), [(0, 1), (0.2, 1), (60, 60), (1_000_000, 3600)])
def test_a_ttl_is_taken_within_bounds(ttl_s: float, waits_s: float) -> None:
    assert watch(Answer(("10.0.0.1",), ttl_s), Answer(("10.0.0.1",), 1))[1] == [0, waits_s]


def test_a_failed_look_up_is_told_and_tried_again() -> None:
    failed = LookupFailed("no server answers")
    found, slept = watch(failed, Answer(("10.0.0.1",), 30))
    assert found == [failed, frozenset({"10.0.0.1:80"})]
    assert slept == [0, 5]


@given(known=addresses, found=addresses)
def test_what_is_added_less_what_is_drained_is_what_was_found_or_known(
    known: frozenset[str], found: frozenset[str]
) -> None:
    delta = compare(known, found)
    assert (known | delta.add) - delta.drain == (found or known)
    assert not delta.add & known
    assert delta.drain <= known


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert (with_port("::1", 80), with_port("10.0.0.1", 80)) == ("[::1]:80", "10.0.0.1:80")

"""Names shown to be ours by records: dynamic updates of a real name server, and a program of the operator's."""

import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.certificates.conftest import Orders, Web
from tests.peers.knot import Knot
from tests.peers.pebble import Pebble
from tidegate.certificates.answer import Answers, NotShown, Presented, Way
from tidegate.certificates.dns_update import DnsUpdate
from tidegate.certificates.hook import Hook
from tidegate.certificates.issuer import NotIssued
from tidegate.certificates.order import Wanted, obtain

SHOWN = Presented("dns-01", "www.example.test", "token", "token.print")
RECORD = "_acme-challenge.www.example.test"


@pytest.fixture
def knot(tmp_path: Path) -> Iterator[Knot]:
    """A name server that takes updates."""
    made = Knot(tmp_path / "knot")
    yield made
    made.end()


@pytest.fixture
def update(knot: Knot) -> DnsUpdate:
    """Whoever may update it."""
    return DnsUpdate("127.0.0.1", knot.port, key="tidegate", secret=knot.secret)


@pytest.mark.needs("knotd")
def test_a_record_is_put_there_and_taken_out_alone(knot: Knot, update: DnsUpdate) -> None:
    other = replace(SHOWN, authorization="token.other")
    update.present(SHOWN)
    update.present(other)
    assert sorted(knot.ask(RECORD, "TXT")) == sorted(f'"{each.record}"' for each in (SHOWN, other))
    update.withdraw(SHOWN)
    assert knot.ask(RECORD, "TXT") == [f'"{other.record}"']
    update.withdraw(other)
    update.withdraw(other)
    assert knot.ask(RECORD, "TXT") == []


@pytest.mark.needs("knotd")
def test_the_zone_is_found_or_given(knot: Knot, update: DnsUpdate) -> None:
    deep = replace(SHOWN, name="a.b.c.example.test")
    replace(update, zone="example.test").present(deep)
    assert knot.ask("_acme-challenge.a.b.c.example.test", "TXT") == [f'"{deep.record}"']
    with pytest.raises(NotShown, match="REFUSED|does not say which zone"):
        update.present(replace(SHOWN, name="www.elsewhere.test"))


@pytest.mark.needs("knotd")
def test_an_update_that_is_not_taken_says_why(knot: Knot, update: DnsUpdate) -> None:
    for wrong, says in (
        (replace(update, key=""), "did not take the update of .*: (NOTAUTH|REFUSED)"),
        (replace(update, secret="AAAA"), "like the signature we sent"),
        (replace(update, secret="no base64!"), "is not in base64"),
        (replace(update, port=1), "could not be asked about .*: Connection refused"),
    ):
        with pytest.raises(NotShown, match=f"(?i){says}"):
            wrong.present(SHOWN)
    assert knot.ask(RECORD, "TXT") == []


def script(folder: Path, text: str) -> Path:
    path = folder / "hook"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_program_is_told_what_to_put_where(tmp_path: Path) -> None:
    told = tmp_path / "told"
    hook = Hook((str(script(tmp_path, f'echo "$@" "$TIDEGATE_NAME" >> {told}')), "first"))
    hook.present(SHOWN)
    hook.withdraw(SHOWN)
    assert told.read_text().splitlines() == [
        f"first present {RECORD}. {SHOWN.record} www.example.test",
        f"first cleanup {RECORD}. {SHOWN.record} www.example.test",
    ]


def test_a_program_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(NotShown, match="ended with 3: no such zone"):
        Hook((str(script(tmp_path, "echo no such zone >&2; exit 3")),)).present(SHOWN)
    with pytest.raises(NotShown, match="cannot be run: No such file"):
        Hook((str(tmp_path / "none"),)).present(SHOWN)


class ByRecord:
    """Shows names by records alone."""

    def __init__(self, records: DnsUpdate | Hook) -> None:
        self.records = records

    def ways(self, name: str) -> Sequence[Way]:
        """Only this one."""
        return ("dns-01",)

    def present(self, what: Presented) -> None:
        """Show it."""
        self.records.present(what)

    def withdraw(self, what: Presented) -> None:
        """Show it no more."""
        self.records.withdraw(what)


@pytest.mark.needs("knotd", "pebble")
def test_a_star_is_shown_by_a_record(tmp_path: Path, knot: Knot, update: DnsUpdate, web: Web) -> None:
    pebble = Pebble(tmp_path / "pebble", dns=f"127.0.0.1:{knot.port}")
    orders = Orders(tmp_path, pebble, web)
    try:
        names = ("*.example.test", "example.test")  # one record name, and two records
        made = take(orders, names, ByRecord(update))
        assert set(made) == set(names)
        assert knot.ask("_acme-challenge.example.test", "TXT") == []
        with pytest.raises(NotIssued, match="cannot be run"):
            take(orders, names, ByRecord(Hook(("/no/such/hook",))))
    finally:
        pebble.end()


def take(orders: Orders, names: tuple[str, ...], answers: Answers) -> tuple[str, ...]:
    wanted = Wanted(names[0], names)
    return obtain(wanted, orders.issuer, orders.accounts, orders.store, answers, time.time).facts.names

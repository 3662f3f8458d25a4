"""The store: whole files, for nobody else, and what is wrong with one is told by its absence."""

import os
import stat
from pathlib import Path

import pytest

from tidegate.certificates.facts import Facts, Window
from tidegate.certificates.store import Certificate, Store

CHAIN = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
FACTS = Facts(("a.test",), 0.0, 100.0, "1f", "Some Authority", "acme", "https://issuer.test/dir", "a.b")
MADE = Certificate(FACTS, CHAIN + CHAIN, KEY)


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name in ("a.test", "*.a.test", "[::1]", "127.0.0.1"):
        store.put("auto", name, MADE)
        assert store.get("auto", name) == MADE
    assert [name for name, _ in store.all("auto")] == ["*.a.test", "127.0.0.1", "[::1]", "a.test"]
    assert store.get("internal", "a.test") is None
    store.remove("auto", "a.test")
    store.remove("auto", "a.test")
    assert store.get("auto", "a.test") is None


def test_facts_survive_with_what_the_issuer_wants() -> None:
    facts = FACTS.with_window(Window(1.0, 2.0, 0.5, 3.0, "https://issuer.test/why"))
    assert Facts.of_text(f"{facts.line()}{CHAIN}") == facts


def test_only_the_owner_reads_any_of_it(tmp_path: Path) -> None:
    (tmp_path / "certificates").mkdir(mode=0o755)
    store = Store(tmp_path)
    store.put("auto", "a.test", MADE)
    store.write_json("accounts", "one", {"key": "secret"})
    for path in (tmp_path / "certificates").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE((tmp_path / "certificates").stat().st_mode) == 0o700


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.put("auto", "a.test", MADE)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        store.put("auto", "a.test", Certificate(FACTS, CHAIN, KEY))
    assert store.get("auto", "a.test") == MADE
    assert [path.name for path in (tmp_path / "certificates/auto").iterdir()] == ["a.test.pem"]


@pytest.mark.parametrize(
    "text",
    ["", "tidegate {}\n", FACTS.line(), FACTS.line() + CHAIN, CHAIN + KEY, "tidegate {\n" + CHAIN + KEY, "\xff"],
    ids=["empty", "no facts", "no chain", "no key", "no line", "a broken line", "no text"],
)
def test_a_file_that_is_none_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    store.put("auto", "a.test", MADE)
    (tmp_path / "certificates/auto/a.test.pem").write_bytes(text.encode("latin-1"))
    assert store.get("auto", "a.test") is None
    assert list(store.all("auto")) == [("a.test", None)]


def test_facts_are_noted_above_the_certificate_that_they_are_about(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("auto", "a.test", MADE)
    facts = FACTS.with_window(Window(1.0, 2.0, 0.5, 3.0))
    store.note("auto", "a.test", facts)
    assert store.get("auto", "a.test") == Certificate(facts, MADE.chain, KEY)
    other = Facts(("a.test",), 0.0, 100.0, "20", "Some Authority", "acme")
    store.note("auto", "a.test", other)
    assert store.get("auto", "a.test") == Certificate(facts, MADE.chain, KEY)


def test_a_key_is_never_printed() -> None:
    assert "c2VjcmV0" not in repr(MADE)


def test_notes_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_json("orders", "one", {"uri": "x"})
    assert store.read_json("orders", "one") == {"uri": "x"}
    for text in ("", "[]", "{"):
        (tmp_path / "certificates/orders/one.json").write_text(text)
        assert store.read_json("orders", "one") is None
    store.remove_json("orders", "one")
    store.remove_json("orders", "one")

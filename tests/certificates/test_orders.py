"""Orders at a real issuer, Pebble: what goes well, and all that may not."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.certificates.conftest import Orders, Web
from tests.peers.pebble import Pebble
from tidegate.certificates.issuer import Accounts, Issuer, NotIssued
from tidegate.certificates.keys import read_key
from tidegate.certificates.order import OLDEST_S
from tidegate.certificates.revoke import revoke

pytestmark = pytest.mark.needs("pebble", "pebble-challtestsrv")


def test_a_certificate_is_obtained_and_its_account_kept(orders: Orders, tmp_path: Path) -> None:
    made = orders.obtain("a.test")
    assert made.facts.names == ("a.test",)
    assert made.facts.directory == orders.issuer.directory
    assert "Pebble" in made.facts.issuer
    assert orders.web.shown == {}
    assert list((tmp_path / "certificates/orders").iterdir()) == []
    account = orders.store.read_json("accounts", orders.issuer.id)
    assert account is not None
    assert any("an account was made; its terms were agreed to" in says for says in orders.said)
    again = orders.obtain("b.test")
    assert orders.store.read_json("accounts", orders.issuer.id) == account
    assert again.facts.serial != made.facts.serial


def test_a_renewal_has_a_new_key(orders: Orders) -> None:
    first, second = orders.obtain("a.test"), orders.obtain("a.test", key="rsa2048")
    assert first.key != second.key
    assert read_key(second.key).key_size == 2048


def test_several_names_are_in_one_certificate(orders: Orders) -> None:
    assert set(orders.obtain("a.test", names=("a.test", "b.test")).facts.names) == {"a.test", "b.test"}


@pytest.mark.parametrize("reject", [50])
def test_a_nonce_that_is_refused_is_no_matter(tmp_path: Path, web: Web, reject: int) -> None:
    pebble = Pebble(tmp_path / "pebble", http_port=web.port, reject=reject)
    try:
        assert Orders(tmp_path, pebble, web).obtain("a.test").facts.names == ("a.test",)
    finally:
        pebble.end()


def test_a_wrong_answer_is_told_in_the_issuer_s_words(orders: Orders) -> None:
    orders.web.wrong = True
    with pytest.raises(NotIssued, match=r"a\.test: http-01: .*(unauthorized)"):
        orders.obtain("a.test")
    assert orders.web.shown == {}
    orders.web.wrong = False
    assert orders.obtain("a.test").facts.names == ("a.test",)


def test_an_issuer_that_is_away_is_told_so(orders: Orders) -> None:
    orders.pebble.stop()
    with pytest.raises(NotIssued, match="cannot be connected to: Connection refused"):
        orders.obtain("a.test")
    orders.pebble.start()
    assert orders.obtain("a.test").facts.names == ("a.test",)


def test_an_issuer_that_has_forgotten_us_knows_us_again(orders: Orders) -> None:
    orders.obtain("a.test")
    orders.pebble.stop()
    orders.pebble.start()  # it keeps nothing
    with pytest.raises(NotIssued, match="accountDoesNotExist"):
        orders.obtain("a.test")
    assert orders.obtain("a.test").facts.names == ("a.test",)


def test_an_issuer_whose_own_certificate_nobody_vouches_for_is_not_believed(orders: Orders) -> None:
    stranger = Issuer("stranger", orders.pebble.directory)
    with pytest.raises(NotIssued, match="its own certificate is not trusted"):
        Accounts(orders.store, print).open(stranger)


def test_an_order_is_gone_on_with_after_a_restart(orders: Orders, tmp_path: Path, pebble: Pebble) -> None:
    class Died(BaseException):
        pass

    def die(_: object) -> None:
        raise Died

    answer = orders.web.present
    orders.web.present = die  # type: ignore[assignment,method-assign]
    with pytest.raises(Died):
        orders.obtain("a.test")
    (note,) = (tmp_path / "certificates/orders").iterdir()
    kept = json.loads(note.read_text())
    orders.web.present = answer  # type: ignore[method-assign]
    after = Orders(tmp_path, pebble, orders.web)
    made = after.obtain("a.test")
    leaf = x509.load_pem_x509_certificate(made.chain.encode())
    assert leaf.public_key() == read_key(kept["key"]).public_key()
    assert not note.exists()


def test_an_order_that_came_to_nothing_or_is_old_is_begun_anew(orders: Orders, tmp_path: Path) -> None:
    orders.obtain("z.test")
    note = f"{orders.issuer.id}-a.test"
    gone = f"{orders.pebble.directory.removesuffix('dir')}my-order/none"
    for kept in (
        {"uri": gone, "names": ["a.test"], "key": "", "at": time.time()},
        {"uri": gone, "names": ["b.test"], "key": "", "at": time.time()},
        {"uri": gone, "names": ["a.test"], "key": "", "at": time.time() - OLDEST_S - 1},
    ):
        orders.store.write_json("orders", note, kept)
        assert orders.obtain("a.test").facts.names == ("a.test",)


def test_a_hundred_names_at_once(orders: Orders) -> None:
    names = [f"n{number}.test" for number in range(100)]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(orders.obtain, names))
    assert [each.facts.names for each in made] == [(name,) for name in names]
    assert len({each.key for each in made}) == 100
    assert orders.web.shown == {}
    assert len(orders.said) == 1  # one account


@pytest.mark.parametrize(("days", "says"), [(40_000, "it expired on"), (-40, "it begins on")], ids=["ahead", "behind"])
def test_a_clock_that_is_wrong_is_told(orders: Orders, days: int, says: str) -> None:
    with pytest.raises(NotIssued, match=f"{says}.*is this machine's clock right"):
        orders.obtain("a.test", now=lambda: time.time() + days * 86_400)


def test_a_certificate_is_revoked_with_its_own_key(orders: Orders) -> None:
    for kind in ("p256", "p384", "rsa2048"):
        made = orders.obtain("a.test", key=kind)
        revoke(made, orders.issuer, "key_compromise")
        revoke(made, orders.issuer, "key_compromise")  # it is so already
        told = json.loads(orders.pebble.get(f"cert-status-by-serial/{made.facts.serial}"))
        assert (told["Status"], told["Reason"]) == ("Revoked", 1)


def test_names_that_the_issuer_does_not_take_are_told(tmp_path: Path, web: Web) -> None:
    pebble = Pebble(tmp_path / "pebble", http_port=web.port, domainBlocklist=["bad.test"])
    try:
        with pytest.raises(NotIssued, match="rejectedIdentifier"):
            Orders(tmp_path, pebble, web).obtain("bad.test")
    finally:
        pebble.end()


@pytest.mark.parametrize(("key_id", "works"), [("kid-1", True), ("kid-2", False), ("", False)])
def test_an_account_that_the_issuer_knows_otherwise(tmp_path: Path, web: Web, key_id: str, works: bool) -> None:
    secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    config: dict[str, Any] = {"externalAccountBindingRequired": True, "externalAccountMACKeys": {"kid-1": secret}}
    pebble = Pebble(tmp_path / "pebble", http_port=web.port, **config)
    orders = Orders(tmp_path, pebble, web)
    orders.issuer = Issuer("pebble", pebble.directory, str(pebble.ca), key_id=key_id, mac_key=secret)
    try:
        if works:
            assert orders.obtain("a.test").facts.names == ("a.test",)
        else:
            with pytest.raises(NotIssued, match="unauthorized|takes only accounts that it knows otherwise"):
                orders.obtain("a.test")
    finally:
        pebble.end()


def test_a_star_needs_a_record(orders: Orders) -> None:
    with pytest.raises(NotIssued, match=r"a\.test: it takes dns-01, and none of these can be answered here"):
        orders.obtain("*.a.test")

"""An order of a certificate (RFC 8555, section 7.4), from the first request to the chain; it can be gone on with.

What is under way is kept in the store with its key: whoever dies meanwhile asks for no second order, since issuers
count them.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from acme import errors, messages
from acme.client import ClientV2
from cryptography import x509
from josepy.json_util import field

from tidegate.certificates.answer import Answers, NotShown, Presented
from tidegate.certificates.issuer import ACCOUNT_GONE, Accounts, Issuer, Network, NotIssued, speaking, words_of
from tidegate.certificates.keys import KeyType, make_key, make_request, read_key, write_key
from tidegate.certificates.read import Unfit, read_certificate
from tidegate.certificates.store import Certificate, Store, file_name

LONGEST_S = 300.0
"""For all of an order."""
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 3.0, 5.0)
"""Between looks at what an issuer works on, where it does not say itself."""
LONGEST_PAUSE_S = 30.0
OLDEST_S = 6 * 86_400.0
"""An order that is older is left alone: Let's Encrypt's end after 7 days."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is ordered."""

    name: str
    """What the certificate is called in the store."""
    names: tuple[str, ...]
    key: KeyType = "p256"
    replaces: str = ""
    """The certificate that it takes the place of, as renewal information calls it (RFC 9773, section 5)."""


class NewOrder(messages.NewOrder):
    """An order that says what it replaces, so that it is not held to limits on new ones."""

    replaces: str = field("replaces", omitempty=True)


def obtain(
    wanted: Wanted, issuer: Issuer, accounts: Accounts, store: Store, answers: Answers, now: Callable[[], float]
) -> Certificate:
    """Obtain a certificate from one issuer. Raises `NotIssued`; then an order that can be gone on with is kept."""
    client: ClientV2 | None = None
    try:
        client = accounts.open(issuer)
        with speaking(issuer):
            return _Order(wanted, issuer, client, store, answers, now).finish()
    except messages.Error as error:
        if error.code == ACCOUNT_GONE:
            accounts.forget(issuer)
        raise NotIssued(words_of(error), _wait(client)) from None
    except NotShown as error:
        raise NotIssued(str(error)) from None
    except NotIssued as error:
        raise NotIssued(str(error), error.retry_after_s or _wait(client)) from None


def _wait(client: ClientV2 | None) -> float | None:
    return client.net.retry_after_s if client is not None and isinstance(client.net, Network) else None


class _Order:
    """One order, and how far it is."""

    def __init__(
        self,
        wanted: Wanted,
        issuer: Issuer,
        client: ClientV2,
        store: Store,
        answers: Answers,
        now: Callable[[], float],
    ) -> None:
        self.wanted, self.issuer, self.client, self.store, self.answers = wanted, issuer, client, store, answers
        self.now = now
        self.until = time.monotonic() + LONGEST_S
        self.note = f"{issuer.id}-{file_name(wanted.name)}"
        self.key = ""
        self.uri = ""

    def finish(self) -> Certificate:
        """Go all the way."""
        body = self._finalize(self._authorize(self._go_on() or self._begin()))
        issued = self._post(str(body.certificate)).text
        try:
            made = read_certificate(issued, self.key, self.wanted.names, self.now(), "acme", self.issuer.directory)
        except Unfit as error:
            raise NotIssued(f"its certificate is not taken: {error}") from None
        finally:
            self.store.remove_json("orders", self.note)
        return made

    def _go_on(self) -> messages.Order | None:
        """Find the order that was begun, if it can still come to something."""
        kept = self.store.read_json("orders", self.note)
        if kept is None or kept.get("names") != list(self.wanted.names) or kept["at"] < self.now() - OLDEST_S:
            return None
        try:
            body = _order(self._post(kept["uri"]).json())
        except (messages.Error, errors.Error, ValueError, KeyError):
            return None
        if body.status == messages.STATUS_INVALID:
            return None
        self.key, self.uri = kept["key"], kept["uri"]
        return body

    def _begin(self) -> messages.Order:
        self.key = write_key(make_key(self.wanted.key))
        identifiers = [messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=each) for each in self.wanted.names]
        fields: dict[str, Any] = {"identifiers": identifiers}
        if self.issuer.profile:
            fields["profile"] = self.issuer.profile
        if self.wanted.replaces and "renewalInfo" in self.client.directory.to_partial_json():
            fields["replaces"] = self.wanted.replaces
        url = self.client.directory["newOrder"]
        try:
            answer = self._post(url, NewOrder(**fields))
        except messages.Error as error:
            if "replaces" not in fields or error.code == "rateLimited":
                raise
            answer = self._post(url, NewOrder(**{k: v for k, v in fields.items() if k != "replaces"}))
        self.uri = answer.headers["Location"]
        kept = {"uri": self.uri, "names": list(self.wanted.names), "key": self.key, "at": self.now()}
        self.store.write_json("orders", self.note, kept)
        return _order(answer.json())

    def _authorize(self, body: messages.Order) -> messages.Order:
        """Prove that the names are ours."""
        if body.status != messages.STATUS_PENDING:
            return body
        with ExitStack() as answered:
            waiting = []
            for url in body.authorizations:
                asked = messages.Authorization.from_json(self._post(url).json())
                if asked.status == messages.STATUS_PENDING:
                    chosen, answer = self._choose(asked)
                    self.answers.present(answer)
                    answered.callback(self.answers.withdraw, answer)
                    self.client.answer_challenge(chosen, chosen.response(self.client.net.key))
                    waiting.append(url)
                elif asked.status != messages.STATUS_VALID:
                    raise self._not_ours(asked)
            for url in waiting:
                asked = self._look(url, messages.Authorization.from_json, messages.STATUS_PENDING)
                if asked.status != messages.STATUS_VALID:
                    raise self._not_ours(asked)
        ready: messages.Order = self._look(self.uri, _order, messages.STATUS_PENDING)
        return ready

    def _choose(self, asked: messages.Authorization) -> tuple[messages.ChallengeBody, Presented]:
        """Choose the first of our ways that the issuer takes."""
        name = asked.identifier.value
        for way in self.answers.ways(("*." if asked.wildcard else "") + name):
            for each in asked.challenges:
                if each.chall.typ == way:
                    chall = each.chall
                    token = chall.encode("token")
                    return each, Presented(way, name, token, chall.key_authorization(self.client.net.key))
        offered = ", ".join(sorted(each.chall.typ for each in asked.challenges if hasattr(each.chall, "typ")))
        raise NotIssued(f"{name}: it takes {offered}, and none of these can be answered here")

    def _not_ours(self, asked: messages.Authorization) -> NotIssued:
        said = [f"{each.chall.typ}: {words_of(each.error)}" for each in asked.challenges if each.error is not None]
        self.store.remove_json("orders", self.note)  # nothing comes of it any more
        return NotIssued(f"{asked.identifier.value}: {'; '.join(said) or f'authorization is {asked.status.name}'}")

    def _finalize(self, body: messages.Order) -> messages.Order:
        if body.status == messages.STATUS_READY:
            names, key = self.wanted.names, read_key(self.key)
            request = messages.CertificateRequest(csr=x509.load_pem_x509_csr(make_request(names, key)))
            body = _order(self._post(body.finalize, request).json())
        if body.status in (messages.STATUS_READY, messages.STATUS_PROCESSING):
            body = self._look(self.uri, _order, messages.STATUS_READY, messages.STATUS_PROCESSING)
        if body.status != messages.STATUS_VALID or not body.certificate:
            self.store.remove_json("orders", self.note)
            says = words_of(body.error) if body.error is not None else f"the order is {body.status.name}"
            raise NotIssued(says)
        return body

    def _look(self, url: str, read: Callable[[Mapping[str, Any]], Any], *busy: messages.Status) -> Any:
        """Look at what the issuer works on until it has done so."""
        for pause in chain(PAUSES_S, repeat(PAUSES_S[-1])):
            answer = self._post(url)
            body = read(answer.json())
            if body.status not in busy:
                return body
            pause = min(_wait(self.client) or pause, LONGEST_PAUSE_S)
            if time.monotonic() + pause > self.until:
                raise NotIssued(f"it was not done within {LONGEST_S:.0f} s")
            time.sleep(pause)
        raise AssertionError("pauses never end")

    def _post(self, url: str, body: Any = None) -> Any:
        return self.client._post(url, body)


def _order(told: Mapping[str, Any]) -> messages.Order:
    body: messages.Order = messages.Order.from_json(told)
    return body

"""An ACME issuer (RFC 8555): its directory, our account there, and what it says when it refuses."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Lock
from typing import Any

import requests
from acme import errors, messages
from acme.client import ClientNetwork, ClientV2
from josepy.jwa import ES256
from josepy.jwk import JWKEC
from josepy.util import ComparableECKey

import tidegate
from tidegate.certificates.keys import make_key, read_key, write_key
from tidegate.certificates.store import Store, id_of

TIMEOUT_S = 30
"""For one request to an issuer."""
MOST_NONCES = 8
"""That are refused in a row, each tried twice, until that is the issuer's last word."""
ACCOUNT_GONE = "accountDoesNotExist"


@dataclass(frozen=True, slots=True)
class Issuer:
    """One that may be asked, as configured."""

    name: str
    """As logs call it."""
    directory: str
    ca: str = ""
    """A file of authorities that its own certificate is signed by; empty: those that the machine trusts."""
    email: str = ""
    profile: str = ""
    """Which kind of certificate, where it has several."""
    key_id: str = ""
    """Of the binding to an account that the issuer knows otherwise (RFC 8555, section 7.3.4)."""
    mac_key: str = ""

    @property
    def id(self) -> str:
        """How files of it are called."""
        return id_of(f"{self.directory} {self.key_id}".strip())


class NotIssued(Exception):
    """No certificate; the text has the issuer's words. `retry_after_s`: it asked to be left alone for so long."""

    def __init__(self, says: str, retry_after_s: float | None = None) -> None:
        super().__init__(says)
        self.retry_after_s = retry_after_s


class Network(ClientNetwork):
    """The library's, which keeps how long the last answer asked us to wait, and bears more than one refused nonce."""

    retry_after_s: float | None = None

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a signed request. One whose nonce is refused was not looked at (RFC 8555, section 6.5)."""
        for _ in range(MOST_NONCES):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)

    def _send_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        answer = super()._send_request(method, url, *args, **kwargs)
        self.retry_after_s = seconds_of(answer.headers.get("Retry-After"), time.time())
        return answer


def seconds_of(retry_after: str | None, now: float) -> float | None:
    """Read `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date; None for what is neither."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    with suppress(ValueError, TypeError):
        return max(parsedate_to_datetime(retry_after).timestamp() - now, 0.0)
    return None


class Accounts:
    """Our accounts, one for each issuer; made when they are first needed, by one thread at a time."""

    def __init__(self, store: Store, say: Callable[[str], None]) -> None:
        self._store = store
        self._say = say
        self._making = Lock()

    def open(self, issuer: Issuer) -> ClientV2:
        """Give a client that is logged in. It is its thread's own. Raises `NotIssued`."""
        with self._making, speaking(issuer):
            kept = self._store.read_json("accounts", issuer.id)
            if kept is None:
                return self._register(issuer)
            client = connect(issuer, kept["key"])
            body = messages.Registration()
            client.net.account = messages.RegistrationResource(body=body, uri=kept["uri"])
            return client

    def forget(self, issuer: Issuer) -> None:
        """Forget an account that its issuer does not know any more."""
        with self._making:
            self._store.remove_json("accounts", issuer.id)

    def _register(self, issuer: Issuer) -> ClientV2:
        draft = self._store.read_json("accounts", f"{issuer.id}.new")
        key = draft["key"] if draft else write_key(make_key("p256"))
        # Kept before it is asked with: if we die now, the same key finds the account that was made.
        self._store.write_json("accounts", f"{issuer.id}.new", {"key": key})
        client = connect(issuer, key)
        terms = client.directory.meta.terms_of_service
        account = messages.NewRegistration.from_data(
            email=issuer.email or None,
            terms_of_service_agreed=True,
            external_account_binding=_binding(issuer, client),
        )
        try:
            uri = client.new_account(account).uri
        except errors.ConflictError as there:
            uri = there.location
            client.net.account = messages.RegistrationResource(body=messages.Registration(), uri=uri)
        kept = {"directory": issuer.directory, "uri": uri, "email": issuer.email, "terms": terms, "key": key}
        self._store.write_json("accounts", issuer.id, kept)
        self._store.remove_json("accounts", f"{issuer.id}.new")
        self._say(f"{issuer.name}: an account was made" + (f"; its terms were agreed to: {terms}" if terms else ""))
        return client


def authorities(issuer: Issuer) -> str | bool:
    """Give the file of authorities that an issuer's own certificate is checked with; the machine's by default."""
    if issuer.ca and not Path(issuer.ca).is_file():
        raise NotIssued(f"{issuer.ca}, which its certificate is checked with, cannot be read")
    return issuer.ca or ssl.get_default_verify_paths().cafile or True


def connect(issuer: Issuer, key: str) -> ClientV2:
    """Ask for the directory of an issuer."""
    network = Network(
        JWKEC(key=ComparableECKey(read_key(key))),
        alg=ES256,
        verify_ssl=authorities(issuer),  # type: ignore[arg-type]  # requests takes a path too
        user_agent=f"tidegate/{tidegate.__version__}",
        timeout=TIMEOUT_S,
    )
    return ClientV2(ClientV2.get_directory(issuer.directory, network), network)


def _binding(issuer: Issuer, client: ClientV2) -> dict[str, Any] | None:
    if not issuer.key_id:
        if client.external_account_required():
            raise NotIssued("it takes only accounts that it knows otherwise: give its `account` (key_id and key)")
        return None
    assert client.net.key is not None, "it was made with one"
    public = client.net.key.public_key()
    return messages.ExternalAccountBinding.from_data(public, issuer.key_id, issuer.mac_key, client.directory)


@contextmanager
def speaking(issuer: Issuer) -> Iterator[None]:
    """Turn what goes wrong with an issuer into `NotIssued`, in its own words."""
    try:
        yield
    except messages.Error:
        raise  # whoever asked may know what to do
    except (errors.Error, requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise NotIssued(words_of(error)) from error


def words_of(error: BaseException) -> str:
    """Say what went wrong as the issuer did."""
    match error:
        case messages.Error():
            detail = error.detail or error.title or "it gave no reason"
            parts = [f"{detail} ({error.code or error.typ})"]
            return "; ".join([*parts, *(words_of(each) for each in error.subproblems or ())])
        case errors.ClientError() if error.args and isinstance(error.args[0], requests.Response):
            return f"it answered {error.args[0].status_code} {error.args[0].reason}, and no reason"
        case requests.Timeout():
            return f"no answer within {TIMEOUT_S} s"
        case requests.exceptions.SSLError():
            return f"its own certificate is not trusted: {_last(error)}"
        case requests.ConnectionError():
            return f"it cannot be connected to: {_last(error)}"
        case _:
            return f"{type(error).__name__}: {error}"


def _last(error: BaseException) -> str:
    """Give the words of the cause that all others were made of."""
    inner: Any = error
    while isinstance(
        cause := inner.__cause__ or getattr(inner, "reason", None) or next(iter(inner.args), None), BaseException
    ):
        inner = cause
    return str(getattr(inner, "strerror", None) or inner)

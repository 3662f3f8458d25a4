"""Session persistence of the snapshot: the tokens that name endpoints, and the field that gives them to clients.

The core compares tokens and knows no secret: they are made here, and the snapshot holds them and not the secret.
"""

import base64
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidegate.config.config import Config
from tidegate.config.persist import Persist, PersistCookie
from tidegate.config.secret import Secret, SecretUnreadable

Keys = Mapping[str, Sequence[bytes]]
"""The secrets of each upstream that keeps sessions, by its name: first the one that makes tokens, then older ones."""

LEAST_BYTES = 16
"""A secret that is shorter could be guessed, and with it the address behind a token."""
TOKEN_BYTES = 16
"""Of the hash, so many: 128 bits, of which nobody guesses one."""


def compile_persist(name: str, persist: Persist, addresses: Sequence[str], keys: Sequence[bytes]) -> dict[str, Any]:
    """Write how the sessions of an upstream are kept. Without keys, as for `tidegate check`, no token is known."""
    field = compile_cookie(persist.cookie) if persist.cookie is not None else None
    if field is None:
        assert persist.header is not None
        field = compile_header(persist.header.name)
    tokens = [[make_token(key, name, address) for key in keys] for address in addresses]
    return {**field, "strict": persist.strict, "tokens": tokens}


def compile_cookie(cookie: PersistCookie) -> dict[str, Any]:
    """Write a cookie and its attributes (RFC 6265, section 4.1; `SameSite` as in its revision)."""
    attributes = [f"Path={cookie.path}"]
    attributes += [f"Domain={cookie.domain}"] if cookie.domain is not None else []
    attributes += [f"Max-Age={cookie.ttl.milliseconds // 1000}"] if cookie.ttl.amount else []
    attributes += ["HttpOnly"] if cookie.http_only else []
    attributes += [f"SameSite={cookie.same_site.capitalize()}"]
    attributes += ["Secure"] if cookie.secure is True else []
    return {
        "from": {"cookie": cookie.name},
        "field": "set-cookie",
        "before": f"{cookie.name}=",
        "behind": "".join(f"; {each}" for each in attributes),
        "behind_https": "; Secure" if cookie.secure == "auto" else "",
    }


def compile_header(name: str) -> dict[str, Any]:
    """Write a header that answers have and requests bring back."""
    return {"from": {"header": name.lower()}, "field": name.lower(), "before": "", "behind": "", "behind_https": ""}


def make_token(key: bytes, upstream: str, address: str) -> str:
    """Name an endpoint so that only who has the key can: by HMAC-SHA256 (RFC 2104), in base64url."""
    message = json.dumps(["tidegate-persist", upstream, address]).encode()
    return base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")[:TOKEN_BYTES]).rstrip(b"=").decode()


def read_keys(config: Config, read: Callable[[Secret], str] = Secret.read) -> Keys:
    """Read the secrets of all upstreams that keep sessions. Raises `SecretUnreadable`, or what `read` does."""
    kept = {name: upstream.persist for name, upstream in config.upstreams.items() if upstream.persist is not None}
    return {name: tuple(_read(secret, read) for secret in persist.secrets) for name, persist in kept.items()}


def _read(secret: Secret, read: Callable[[Secret], str]) -> bytes:
    key = read(secret).encode()
    if len(key) < LEAST_BYTES:
        says = f"the secret in {secret.name} has {len(key)} bytes, and tokens of sessions need {LEAST_BYTES}"
        raise SecretUnreadable(f"{says}: `openssl rand -hex 32` makes one")
    return key

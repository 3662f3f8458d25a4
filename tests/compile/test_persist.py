"""Tokens of sessions: who has the secret makes the same everywhere, and nobody else makes any."""

import re
from pathlib import Path
from typing import Any

import pytest

from tidegate.compile.persist import make_token, read_keys
from tidegate.compile.resolved import Resolved
from tidegate.compile.snapshot import compile_snapshot
from tidegate.config.config import Config
from tidegate.config.secret import SecretTag, SecretUnreadable

KEY = b"0123456789abcdef"


def config(*secrets: Path) -> Config:
    """An upstream of a name and an address, whose cookies are made with these files."""
    cookie = {"name": "srv", "secret": [SecretTag(f"file:{path}") for path in secrets]}
    upstream = {"endpoints": ["b.test:80", "10.0.0.9:80"], "persist": {"cookie": cookie}}
    return Config.model_validate({"upstreams": {"a": upstream}}, context={"folder": Path("/")})


def tokens(config: Config, *addresses: str) -> Any:
    """The tokens of the upstream's endpoints, once its name stands for these addresses."""
    document = compile_snapshot(
        config,
        number=1,
        source="test",
        since=0.0,
        threads=1,
        connections=0,
        sockets={},
        resolved={"b.test:80": Resolved(addresses)},
        api_socket=None,
        keys=read_keys(config),
    )
    return document["upstreams"][0]["persist"]["tokens"]


def test_a_token_is_the_same_on_every_machine() -> None:
    # Made by `openssl dgst -sha256 -hmac 0123456789abcdef -binary | head -c 16 | basenc --base64url`.
    assert make_token(KEY, "api", "10.0.0.1:80") == "X4PR6eKxpeGuEKE0fmQ9tw"


def test_a_token_differs_with_secret_upstream_and_address_and_tells_none_of_them() -> None:
    made = {
        make_token(key, upstream, address)
        for key in (KEY, KEY[::-1])
        for upstream in ("api", "api2", 'a", "')
        for address in ("10.0.0.1:80", "10.0.0.1:8", "2")
    }
    assert len(made) == 18
    assert all(re.fullmatch("[A-Za-z0-9_-]{22}", token) for token in made)


def test_each_address_of_a_name_has_a_token_of_each_secret_in_their_order(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    new.write_bytes(KEY[::-1] + b"\n")
    old.write_bytes(KEY)
    expected = [
        [make_token(key, "a", address) for key in (KEY[::-1], KEY)]
        for address in ("10.0.0.1:80", "10.0.0.2:80", "10.0.0.9:80")
    ]
    assert tokens(config(new, old), "10.0.0.1:80", "10.0.0.2:80") == expected


def test_a_secret_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_text("hunter2")
    with pytest.raises(SecretUnreadable, match="has 7 bytes, and tokens of sessions need 16") as refused:
        read_keys(config(short))
    assert "hunter2" not in str(refused.value)

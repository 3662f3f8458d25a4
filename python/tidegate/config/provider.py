"""Providers: where endpoints come from that the configuration does not list, `python/tidegate/discovery/`."""

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, model_validator

from tidegate.config.addresses import LABEL, FilePath
from tidegate.config.complaint import refused
from tidegate.config.hints import nearest
from tidegate.config.match import HeaderName
from tidegate.config.placed import Placed
from tidegate.config.quantities import Duration, PositiveDuration
from tidegate.config.scalar import show
from tidegate.config.secret import Secret


def check_service(given: str) -> str:
    """Refuse what is no name of a service."""
    name = given.lower().rstrip(".")
    if len(name) > 253 or not all(LABEL.fullmatch(label) for label in name.split(".")):
        hint = "ports come with the records" if ":" in given else ""
        raise refused(f"must be the DNS name of a service, as `_http._tcp.api.example.com`, not {show(given)}", hint)
    return name


def check_url(given: str) -> str:
    """Refuse what cannot be asked over HTTP."""
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise refused(f"must be a URL, as `http://10.0.0.1:8500/endpoints`, not {show(given)}")
    if parts.username is not None or parts.password is not None:
        raise refused(
            "has a password in it, and a URL is shown in logs and metrics", "leave out what is before the `@`"
        )
    if parts.fragment or re.search(r"[^\x21-\x7e]", given):
        raise refused("has a blank, a `#` or a letter beyond ASCII: it is sent as it stands, so escape it")
    return given


class ServiceProvider(Placed):
    """The SRV records of a DNS service (RFC 2782): port, weight and, by their priority, tier of each host.

    Looked up again when their time to live ends, after 1 s at least. Hosts are then names like any other.
    """

    srv: Annotated[str, AfterValidator(check_service)]
    """The name of the service: `_http._tcp.api.example.com`."""

    @property
    def key(self) -> str:
        """How logs, metrics and the API call it."""
        return f"srv:{self.srv}"


class FileProvider(Placed):
    """A file with a list of endpoints, YAML or JSON, each as it would stand here. Looked at twice a second."""

    file: FilePath
    """The path, relative to this file's folder."""

    @property
    def key(self) -> str:
        """How logs, metrics and the API call it."""
        return f"file:{self.file}"


WRITTEN = frozenset(
    (
        "host",
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "if-none-match",
        "transfer-encoding",
        "user-agent",
    )
)
"""Fields that a question has already, or that would make another one of it."""


class UrlProvider(Placed):
    """A URL that answers with a list of endpoints, JSON, each as it would stand here. Asked again and again."""

    url: Annotated[str, AfterValidator(check_url)]
    """`http://…` or `https://…`, the latter with the machine's certificate authorities. No redirect is followed."""
    interval: PositiveDuration = Duration(10_000)
    """From one answer to the next question, give or take a tenth. After a failure twice that, and so on up to 1m."""
    timeout: PositiveDuration = Duration(5_000)
    """How long an answer may take, to its last byte. (Traefik's `pollTimeout`.)"""
    token: Secret | None = None
    """What it is asked with, as `Authorization: Bearer TOKEN`. It goes to this URL alone, and is read for each
    question, so another one needs no reload. Over `http` whoever is on the way can read it."""
    header: HeaderName | None = None
    """The field that has the token instead, and nothing else: `X-Consul-Token`."""

    @model_validator(mode="after")
    def a_field_has_its_token(self) -> "UrlProvider":
        """Refuse the name of a field for which there is no value, and one that says how the question is read."""
        if self.header is not None and self.token is None:
            raise refused("there is no `token` to stand in that field", "`token: !secret file:PATH`", at=("header",))
        if self.header in WRITTEN:
            raise refused(f"`{self.header}` is written by the question itself", at=("header",))
        return self

    @property
    def key(self) -> str:
        """How logs, metrics and the API call it."""
        return self.url


Provider = ServiceProvider | FileProvider | UrlProvider

PROVIDERS: Mapping[str, type[Provider]] = {"srv": ServiceProvider, "file": FileProvider, "url": UrlProvider}
"""By the key that a mapping has where it means one."""


def meant(given: Any) -> type[Provider] | None:
    """Say which provider a mapping means, by its key or what is near to one; none where it means an endpoint."""
    if not isinstance(given, Mapping) or "address" in given:
        return None
    keys = [str(key) for key in given]
    found = next((key for key in keys if key in PROVIDERS), None)
    found = found or next(filter(None, (nearest(key, ("address", *PROVIDERS), cutoff=0.7) for key in keys)), None)
    return PROVIDERS.get(found or "")

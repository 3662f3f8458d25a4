"""How sessions stay with an endpoint. Decided in the core, `balance/persist.rs`; docs/persistence.md tells it all."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tidegate.config.complaint import refused
from tidegate.config.filters.fields import TOKEN, FieldName
from tidegate.config.model import Model
from tidegate.config.placed import Placed
from tidegate.config.quantities import Duration
from tidegate.config.scalar import one_or_more, show
from tidegate.config.secret import Secret

OCTETS = re.compile(r"[\x21-\x3a\x3c-\x7e]+")
"""What an attribute of a cookie may hold (RFC 6265, section 4.1.1), blanks left out."""


def read_cookie_name(given: Any) -> str:
    """Read a cookie's name, a token (RFC 6265, section 4.1.1)."""
    if not isinstance(given, str) or TOKEN.fullmatch(given) is None:
        raise refused(f"must be the name of a cookie, as `srv`, not {show(given)}")
    return given


def check_path(path: str) -> str:
    """Refuse what no cookie can have as its path."""
    if not path.startswith("/") or OCTETS.fullmatch(path) is None:
        raise refused(f"must be a path, as `/app`, not {show(path)}")
    return path


def check_domain(domain: str) -> str:
    """Refuse what is no name of a domain."""
    if re.fullmatch(r"\.?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", domain) is None:
        raise refused(f"must be a domain, as `example.com`, not {show(domain)}")
    return domain


def read_secure(given: Any) -> Any:
    """Take `auto`, `true` or `false`."""
    if given != "auto" and not isinstance(given, bool):
        raise refused(f"must be `auto`, `true` or `false`, not {show(given)}")
    return given


Secrets = Annotated[
    tuple[Secret, ...],
    BeforeValidator(one_or_more, json_schema_input_type=Secret | tuple[Secret, ...]),
    Field(min_length=1),
]


class PersistCookie(Model):
    """A cookie that names the endpoint, set where a request did not bring that of the endpoint that served it."""

    name: Annotated[str, BeforeValidator(read_cookie_name), Field(json_schema_extra={"pattern": f"^{TOKEN.pattern}$"})]
    """Its name, as `srv`. Upstreams that take requests of one host need different ones."""
    secret: Secrets
    """What its value is made with, `!secret file:PATH` or `!secret env:NAME`. At least 16 bytes (`openssl rand -hex 32`
    makes 64), the same on all machines that take the same clients. Of a list the first one makes cookies, and those of
    all are known."""
    ttl: Duration = Duration(0)
    """How long the client keeps it (`Max-Age`), counted from when it was set, in whole seconds; 0: until the browser
    ends."""
    path: Annotated[str, AfterValidator(check_path)] = "/"
    """Below which path the client sends it (`Path`)."""
    domain: Annotated[str, AfterValidator(check_domain)] | None = None
    """To which domain, and all below it, the client sends it (`Domain`). Default: to the host that set it alone."""
    secure: Annotated[bool | Literal["auto"], BeforeValidator(read_secure)] = "auto"
    """Whether the client sends it over HTTPS alone (`Secure`). `auto`: where it came over HTTPS when it was set, as
    `request.scheme` says."""
    http_only: bool = True
    """Whether scripts cannot read it (`HttpOnly`)."""
    same_site: Literal["lax", "strict", "none"] = "lax"
    """Whether requests that other sites cause bring it (`SameSite`): `lax`, when a link is followed; `strict`, never;
    `none`, always, which browsers take with `secure: true` alone."""

    @model_validator(mode="after")
    def browsers_take_it(self) -> "PersistCookie":
        """Refuse what every browser refuses."""
        if self.same_site == "none" and self.secure is not True:
            raise refused("`same_site: none` needs `secure: true`: browsers drop it else", at=("same_site",))
        if self.ttl.milliseconds % 1000:
            raise refused(f"`ttl` is counted in whole seconds, not {self.ttl}", at=("ttl",))
        if self.name.startswith(("__Secure-", "__Host-")) and self.secure is not True:
            raise refused(f"a cookie named `{self.name}` needs `secure: true`: browsers drop it else", at=("name",))
        if self.name.startswith("__Host-") and (self.path != "/" or self.domain is not None):
            raise refused(f"a cookie named `{self.name}` has `path: /` and no `domain`", at=("name",))
        return self


class PersistHeader(Model):
    """A header that names the endpoint, for clients that are no browsers: they send back what an answer gave them."""

    name: FieldName
    """Its name, as `x-server`, in answers and in requests."""
    secret: Secrets
    """What its value is made with, `!secret file:PATH` or `!secret env:NAME`, as for a cookie."""


class Persist(Placed):
    """Requests of one session go to one endpoint, which a cookie or a header names, before any balancer is asked.

    An endpoint that drains, has weight 0 or stands in a tier that has no work keeps its sessions. One that is down,
    ejected, passed over, removed, or was tried in vain does not: then the balancer chooses another, which the client is
    told of.
    """

    cookie: PersistCookie | None = None
    """By a cookie."""
    header: PersistHeader | None = None
    """By a header."""
    strict: bool = False
    """Whether a request gets 503 where the endpoint that it names may not be chosen, in place of another endpoint."""

    @model_validator(mode="after")
    def says_one_thing(self) -> "Persist":
        """Refuse two ways, and none."""
        if (self.cookie is None) == (self.header is None):
            raise refused("must have `cookie` or `header`, and only one of them")
        return self

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets, first the one that makes tokens."""
        by = self.cookie or self.header
        return by.secret if by is not None else ()

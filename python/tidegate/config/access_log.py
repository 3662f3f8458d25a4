"""The access log: one line for each exchange."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tidegate.config.complaint import refused
from tidegate.config.expression import ExchangeExpression
from tidegate.config.log_destination import Destination
from tidegate.config.log_format import Format, Member
from tidegate.config.model import Model

Facility = Literal[
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
]  # fmt: skip
"""In the order of their numbers (RFC 5424, section 6.2.1)."""
Severity = Literal["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
"""In the order of their numbers."""


class Syslog(Model):
    """How messages of syslog (RFC 5424) are sent; MSGID is `access`, and the message is the line."""

    transport: Literal["udp", "tcp"] = "udp"
    """`udp`: a datagram for each line. `tcp`: one stream, each message ended by a line feed (RFC 6587, 3.4.2)."""
    facility: Facility = "local7"
    """The facility of all messages."""
    severity: Severity = "info"
    """The severity of all messages."""
    app: Annotated[str, Field(pattern=r"^[!-~]{1,48}$")] = "tidegate"
    """APP-NAME."""


class AccessLog(Model):
    """Where exchanges are logged, and how. Writing never holds up a request: what cannot be written is counted."""

    to: Destination
    """`stdout`; the path of a file, which SIGUSR1 opens anew; `syslog:HOST:PORT`; `unix:PATH`, a socket of datagrams or
    of a stream. A name is looked up at each start and reload."""
    format: Format = Format()
    """`json`: one object a line; `common` or `combined`, as other servers write them; or a format string, as
    `'{client} "{method} {path}" {status}'`, over the fields of docs/log.md and the words of expressions, as
    `{request.headers["x-beta"]}`; `{{` and `}}` are braces."""
    fields: Annotated[tuple[Member, ...], Field(min_length=1)] | None = None
    """The fields of a line of JSON, in their order: names, and expressions under keys of their own, as
    `[time, status, {beta: 'request.headers["x-beta"]'}]`. Default: all that docs/log.md has in a usual line."""
    when: ExchangeExpression | None = None
    """Which exchanges are logged, as `response.status >= 400 or response.duration > 1`. Default: all."""
    sample: Annotated[float, Field(ge=0, le=1)] = 1
    """The share of exchanges that are logged, of those that `when` lets through, 0 to 1. Failures and statuses of 500
    and more are all logged."""
    syslog: Syslog | None = None
    """How messages of syslog are sent. Default: as its defaults have it to `syslog:HOST:PORT`; to `unix:PATH` lines are
    sent as they are, unless this is given."""

    @model_validator(mode="after")
    def parts_agree(self) -> "AccessLog":
        """Refuse what would have no effect."""
        if self.fields is not None and self.format.pieces:
            raise refused("`fields` are those of `format: json`; a format string names its own", at=("fields",))
        names = [each if isinstance(each, str) else next(iter(each)) for each in self.fields or ()]
        if twice := next((index for index, name in enumerate(names) if name in names[:index]), None):
            raise refused(f"`{names[twice]}` is named twice", at=("fields", twice))
        if self.syslog is not None and self.to.kind not in ("syslog", "unix"):
            raise refused("`syslog` is for `to: syslog:HOST:PORT` and `to: unix:PATH`", at=("syslog",))
        if self.syslog is not None and self.to.kind == "unix" and "transport" in self.syslog.model_fields_set:
            raise refused("`transport` is for `to: syslog:HOST:PORT`", at=("syslog", "transport"))
        return self

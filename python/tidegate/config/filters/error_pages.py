"""The `error_pages` filter: pages where an answer tells of a failure. Chosen in the core, `filter/error_pages.rs`."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from tidegate._engine import failure_kinds
from tidegate.config.addresses import FilePath
from tidegate.config.complaint import refused
from tidegate.config.expression import ExchangeTemplate
from tidegate.config.expression.flaw import Flaw
from tidegate.config.filters.fields import check_value
from tidegate.config.hints import did_you_mean
from tidegate.config.model import Model
from tidegate.config.scalar import Whole, show

MOST_BYTES = 1024 * 1024
"""No page is longer: each is held in memory, and sent in one piece."""

KINDS = dict(failure_kinds())
"""Each kind of failure that is answered, and the status of its answer."""

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".htm": "text/html; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".xml": "application/xml",
}


def read_statuses(given: Any) -> tuple[str, ...]:
    """Read `502`, `5xx`, or a list of those."""
    return tuple(map(_read_status, given if isinstance(given, list | tuple) else (given,)))


def _read_status(given: Any) -> str:
    if isinstance(given, int | str) and re.fullmatch("[45]([0-9][0-9]|xx)", str(given)):
        return str(given)
    raise refused(f"must be a status of a failure, as `502` or `5xx`, not {show(given)}")


def read_kinds(given: Any) -> tuple[str, ...]:
    """Read a kind of failure, or a list of them."""
    kinds = tuple(given if isinstance(given, list | tuple) else (given,))
    for kind in kinds:
        if not isinstance(kind, str) or kind not in KINDS:
            raise refused(
                f"must be a kind of failure, as `connect_refused`, not {show(kind)}", did_you_mean(kind, KINDS)
            )
    return kinds


_STATUS = {"anyOf": [{"type": "integer", "minimum": 400, "maximum": 599}, {"type": "string", "pattern": "^[45]xx$"}]}
_KIND = {"enum": sorted(KINDS)}


def _one_or_more(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "array", "items": schema, "minItems": 1}]}


class ErrorPage(Model):
    """A page for the statuses and kinds that it names; one that names neither is for all failures."""

    status: Annotated[
        tuple[str, ...], BeforeValidator(read_statuses), Field(json_schema_extra=_one_or_more(_STATUS))
    ] = ()
    """The statuses that it is for: `502`, `5xx`, or a list. Default: all."""
    kind: Annotated[tuple[str, ...], BeforeValidator(read_kinds), Field(json_schema_extra=_one_or_more(_KIND))] = ()
    """The kinds of failure that it is for, as the access log has them. Default: all."""
    file: FilePath | None = None
    """The file that holds the page, at most 1 MiB; it is read when the configuration is."""
    template: bool = False
    """Whether the file is a template, as `body` always is; then `{{` is a brace."""
    body: ExchangeTemplate | None = None
    """The page itself, a template in place of a file. What fills a hole is escaped for the content type."""
    content_type: Annotated[str, BeforeValidator(check_value), Field(min_length=1)] | None = None
    """What `Content-Type` says. Default: by the ending of the file, else `text/plain; charset=utf-8`."""
    send: Annotated[Whole, Field(ge=200, le=599)] | None = None
    """The status that is sent instead. Default: the failure's."""
    endpoints: bool = False
    """Whether it also stands in place of what endpoints answer with one of its statuses.

    `WWW-Authenticate`, `Retry-After` and `Allow` of such an answer are kept; its connection is closed.
    """

    _page: Any = PrivateAttr(default=None)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The statuses, from one to another, both included."""
        return [(int(status.replace("x", "0")), int(status.replace("x", "9"))) for status in self.status]

    @property
    def page(self) -> Any:
        """The page, as the core reads it."""
        return self._page if self.body is None else self.body.compiled

    @property
    def media_type(self) -> str:
        """What `Content-Type` says."""
        suffix = "" if self.file is None else self.file.suffix.lower()
        return self.content_type or MEDIA_TYPES.get(suffix, "text/plain; charset=utf-8")

    @model_validator(mode="after")
    def has_one_source(self) -> "ErrorPage":
        """Refuse two pages in one, and none."""
        if (self.file is None) == (self.body is None):
            raise refused("must have exactly one of `file` and `body`: where the page is")
        if self.template and self.file is None:
            raise refused("`template` is for a `file`: a `body` is one", at=("template",))
        if self.send in (204, 205, 304):
            raise refused(f"an answer with status {self.send} has no body", at=("send",))
        if self.endpoints and (not self.status or self.kind):
            raise refused(
                "`endpoints` needs a `status` and no `kind`: what endpoints answer has none", at=("endpoints",)
            )
        return self

    @model_validator(mode="after")
    def read_the_file(self) -> "ErrorPage":
        """Read the page now, so that a file that is missing is told before it is needed."""
        if self.file is not None:
            try:
                with self.file.open("rb") as file:
                    content = file.read(MOST_BYTES + 1)
            except OSError as error:
                raise refused(f"`{self.file}` cannot be read: {error.strerror or error}", at=("file",)) from None
            if len(content) > MOST_BYTES:
                raise refused(f"`{self.file}` is longer than the 1 MiB that a page may have", at=("file",))
            try:
                self._page = self._read(content.decode())
            except UnicodeDecodeError:
                raise refused(f"`{self.file}` is no text in UTF-8", at=("file",)) from None
        return self

    def _read(self, text: str) -> Any:
        if not self.template:
            return [{"literal": text}]
        try:
            return ExchangeTemplate.compile(text)[0]
        except Flaw as flaw:
            line = text.count("\n", 0, flaw.start) + 1
            column = flaw.start - text.rfind("\n", 0, flaw.start)
            raise refused(f"`{self.file}:{line}:{column}` {flaw.says}", flaw.hint, at=("file",)) from None


ErrorPages = Annotated[tuple[ErrorPage, ...], Field(min_length=1)]

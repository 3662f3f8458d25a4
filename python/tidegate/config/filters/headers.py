"""The filters `request_headers` and `response_headers`: edits of a head. Done in the core, `filter/headers.rs`."""

from collections.abc import Iterator, Mapping

from pydantic import model_validator

from tidegate.config.complaint import refused
from tidegate.config.expression import HeaderTemplate
from tidegate.config.filters.fields import FieldName
from tidegate.config.model import Model


class HeaderEdits(Model):
    """Header lines that are set, added, lengthened and removed; names in any case.

    A name stands once in a filter; several filters of one kind run as written. Values are templates, made of the
    request as it came; a line whose value comes out empty is left out.
    """

    set: Mapping[FieldName, HeaderTemplate] = {}
    """The one line that a name then has, in place of all that were there."""
    add: Mapping[FieldName, HeaderTemplate] = {}
    """One more line, behind those that are there."""
    append: Mapping[FieldName, HeaderTemplate] = {}
    """What the last line of a name is lengthened by, behind `, `; where there is none, the line."""
    remove: tuple[FieldName, ...] = ()
    """Names of which no line is left."""

    def names(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """List every name with the way to it."""
        for key in ("set", "add", "append"):
            yield from (((key, name), name) for name in getattr(self, key))
        yield from (((("remove", index)), name) for index, name in enumerate(self.remove))

    @model_validator(mode="after")
    def has_something_to_do(self) -> "HeaderEdits":
        """Refuse a filter without an edit."""
        if next(self.names(), None) is None:
            raise refused("has none of `set`, `add`, `append` and `remove`, and so changes nothing")
        return self

    @model_validator(mode="after")
    def names_stand_once(self) -> "HeaderEdits":
        """Refuse two edits of one name in one filter: a mapping has no order that says which comes first."""
        seen: set[str] = set()
        for path, name in self.names():
            if name.lower() in seen:
                raise refused(f"`{name}` is edited twice in one filter", "begin another filter behind it", at=path)
            seen.add(name.lower())
        return self

    @model_validator(mode="after")
    def cookies_are_no_lists(self) -> "HeaderEdits":
        """Refuse to join cookies with a comma (RFC 6265, section 3)."""
        for name in self.append:
            if name.lower() in ("cookie", "set-cookie"):
                hint = "`add` makes one more line" if name.lower() == "set-cookie" else "`set` writes all of it"
                raise refused(f"`{name}` is no list that a comma could lengthen", hint, at=("append", name))
        return self


class RequestHeaders(HeaderEdits):
    """Edit the head that the endpoint gets. The last word: also on `X-Forwarded-*` and `Via`, which we write ourselves.

    A line of a replaced name ends here in every spelling that a backend could take for it, as `X_Api` for `X-Api`.
    """

    @model_validator(mode="after")
    def the_id_has_a_filter_of_its_own(self) -> "RequestHeaders":
        """Refuse an id for the endpoint that the log would not know."""
        for path, name in self.names():
            if name.lower() == "x-request-id" and path[0] != "remove":
                raise refused(
                    f"`{name}` is the id that the access log shows too", "`request_id` says what it is", at=path
                )
        return self


class ResponseHeaders(HeaderEdits):
    """Edit the head of the answer: the endpoint's, and ours as well (errors, `respond`). Not of interim ones (1xx)."""

"""Where a route leads: to an upstream, to several by weight, to another place, or to an answer of our own."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tidegate.config.complaint import refused
from tidegate.config.expression import HeaderTemplate, Key
from tidegate.config.filters.fields import TOKEN, FieldName
from tidegate.config.labels import Led
from tidegate.config.model import Model, Name
from tidegate.config.scalar import Whole


class Share(Led):
    """One of the upstreams that share a route, or some of its endpoints."""

    upstream: Name
    """Its name."""
    weight: Annotated[Whole, Field(ge=0, le=65_535)] = 1
    """Its share of the requests, against the weights of the others; 0 gets none."""


class Target(Led):
    """Where a request goes: the name of an upstream, or a list of several that share the route."""

    short = "upstream"

    upstream: Name | None = None
    """The upstream, where there is one."""
    split: Annotated[tuple[Share, ...], Field(min_length=1)] | None = None
    """Upstreams with weights; without `key` each request is sent by chance. A list alone says the same."""
    key: Key | None = None
    """Requests with the same text go to the same upstream, by a hash: `request.cookies["session"]`, `client.ip`. When a
    weight changes, no more keys move than must. An empty text is sent by chance."""

    @model_validator(mode="before")
    @classmethod
    def read_list(cls, given: Any) -> Any:
        """Let a list stand for `{split: […]}`."""
        return {"split": given} if isinstance(given, list | tuple) else given

    @model_validator(mode="after")
    def has_one_form(self) -> "Target":
        """Refuse both forms at once, and none; shares of which none gets anything; an upstream twice."""
        if (self.upstream is None) == (self.split is None):
            raise refused("must have exactly one of `upstream` and `split`")
        if self.split is None:
            if self.key is not None:
                raise refused("`key` chooses among several upstreams, and there is one", at=("key",))
            return self
        if self.labels:
            raise refused("`labels` belong to each upstream of `split`", at=("labels",))
        if not any(share.weight for share in self.split):
            raise refused("has no weight but 0, so no request could go anywhere", at=("split",))
        seen: set[tuple[str, frozenset[tuple[str, str]]]] = set()
        for index, share in enumerate(self.split):
            led = (share.upstream, frozenset(share.labels.items()))
            if led in seen:
                with_them = " with these labels" if share.labels else ""
                says = f"the upstream `{share.upstream}` stands here twice{with_them}"
                raise refused(says, "give it a `weight` instead", at=("split", index))
            seen.add(led)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Tell editors of the list, too."""
        forms = super().__get_pydantic_json_schema__(schema, handler)
        long_form = handler.resolve_ref_schema(handler(schema))
        shares = next(each for each in long_form["properties"]["split"]["anyOf"] if each.get("type") == "array")
        return {"anyOf": [*forms["anyOf"], shares]}

    @property
    def ways(self) -> list[tuple[tuple[str | int, ...], str, Led]]:
        """Each way that a request may go: the path to it, the upstream, and which of its endpoints."""
        if self.split is None:
            return [((), self.upstream or "", self)]
        return [(("split", index), share.upstream, share) for index, share in enumerate(self.split)]

    @property
    def upstreams(self) -> list[tuple[tuple[str | int, ...], str]]:
        """Each upstream that it names, behind the path to the name."""
        if self.split is None:
            return [((), self.upstream or "")]
        return [(("split", index, "upstream"), share.upstream) for index, share in enumerate(self.split)]


MEDIA_TYPE = re.compile(rf"{TOKEN.pattern}/{TOKEN.pattern}( *; *{TOKEN.pattern}=({TOKEN.pattern}|\"[ !#-~]*\"))*")
"""RFC 9110, section 8.3.1."""


class Respond(Model):
    """An answer of our own, without an endpoint."""

    status: Annotated[Whole, Field(ge=200, le=599)] = 200
    """The status, 200 to 599."""
    content_type: str = "text/plain; charset=utf-8"
    """What the body is."""
    headers: Mapping[FieldName, HeaderTemplate] = {}
    """Further fields; their values are templates, as `{request.host}`."""
    body: str = ""
    """The body, as it is: braces are braces."""

    @model_validator(mode="after")
    def is_an_answer(self) -> "Respond":
        """Refuse a body where none can be (RFC 9110, section 15), and fields that are written anyway."""
        if self.body and self.status in (204, 205, 304):
            raise refused(f"an answer with status {self.status} has no body", "leave `body` out", at=("body",))
        if MEDIA_TYPE.fullmatch(self.content_type) is None:
            raise refused("`content_type` must be a media type, as `application/json`", at=("content_type",))
        for name in self.headers:
            if name.lower() == "content-type":
                raise refused("the type of the body has a key of its own", "`content_type`", at=("headers", name))
            if name.lower() == "date":
                raise refused("`Date` is written by the proxy", at=("headers", name))
        return self

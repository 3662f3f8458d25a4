"""The `rewrite` filter: another path, query or host for the endpoint. Done in the core, `filter/rewrite.rs`."""

import re
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from tidegate._engine import replacement_flaw
from tidegate.config.complaint import refused
from tidegate.config.expression import Template
from tidegate.config.expression.template import has_holes, literals
from tidegate.config.expression.value import Use
from tidegate.config.match import Path, Regex, check_path
from tidegate.config.model import Model
from tidegate.config.scalar import show


class PathTemplate(Template):
    """A path with holes, written in the form in which paths are matched."""

    noun = "a path"
    example = "/all{request.path}"

    @classmethod
    def compile(cls, text: str) -> tuple[Any, list[Use]]:
        """Make the parts; what is written out must be part of a path."""
        made = super().compile(text)
        if not has_holes(made[0]):
            check_path(text)
        elif wrong := re.search(r"[?#\\\x00-\x1f\x7f]", literals(made[0])):
            raise refused(f"has a `{ascii(wrong[0])[1:-1]}`, which cannot stand in a path")
        return made


class QueryTemplate(Template):
    """A query with holes, without its `?`."""

    noun = "a query"
    example = "from={request.host}"

    @classmethod
    def compile(cls, text: str) -> tuple[Any, list[Use]]:
        """Make the parts; what is written out must be part of a query."""
        made = super().compile(text)
        if text.startswith("?"):
            raise refused("is written without its `?`", f'"{text[1:]}"')
        if re.search(r"[\x00-\x20\x7f#]", literals(made[0])):
            raise refused("has a blank, a control character or a `#`, which cannot stand in a query")
        return made


class HostTemplate(Template):
    """A host with holes, with or without a port."""

    noun = "a host"
    example = "{request.host}.internal"

    @classmethod
    def compile(cls, text: str) -> tuple[Any, list[Use]]:
        """Make the parts; what has no hole must be a host."""
        made = super().compile(text)
        form = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_~-]+(\.[A-Za-z0-9_~-]+)*\.?)(:[0-9]{1,5})?"
        is_host = re.fullmatch(r"[][A-Za-z0-9._~:-]*" if has_holes(made[0]) else form, literals(made[0]))
        if is_host is None:
            raise refused(f"must be a host, with or without a port, as `api.internal:8080`, not {show(text)}")
        return made


class PathReplacement(Model):
    """What is found in the path, and what stands there then; the first match is replaced, so anchor the pattern."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    pattern: Regex
    """A pattern of Rust's `regex` crate, searched in the path, in the form in which paths are matched."""
    with_: Annotated[str, Field(alias="with")]
    """The text in its place: `$1` and `${name}` are captures, `$$` is a dollar."""

    @model_validator(mode="after")
    def captures_exist(self) -> "PathReplacement":
        """Refuse what names a group that the pattern has not."""
        if "?" in self.with_ or "#" in self.with_:
            raise refused(
                "`with` is a path alone, without `?` and `#`", "`query` of `rewrite` writes the query", at=("with",)
            )
        if flaw := replacement_flaw(self.pattern, self.with_):
            raise refused(flaw, at=("with",))
        return self


class Rewrite(Model):
    """Send another path, query or Host to the endpoint.

    Paths are read in the form in which they are matched, and written so that every reader takes them for the same
    one; a path that cannot be is refused with 400. What no rewrite touches goes byte for byte as it came.
    `strip_prefix` comes first, then `regex`, then `add_prefix`.
    """

    strip_prefix: Path | None = None
    """Taken off the front, on a segment border: with `/v1`, `/v1/x` becomes `/x`, `/v1` becomes `/`, `/v10` stays."""
    regex: PathReplacement | None = None
    """What is found in the path, and what stands there then."""
    add_prefix: Path | None = None
    """Put before the path: with `/api`, `/x` becomes `/api/x`."""
    path: PathTemplate | None = None
    """A template for a whole path, in place of the one that came: `/all{request.path}`."""
    query: QueryTemplate | None = None
    """A template in place of the query; empty removes it. Default: the query stays as it came."""
    host: HostTemplate | None = None
    """A template in place of `Host`, with or without a port. `X-Forwarded-Host` still tells the one that came."""

    @model_validator(mode="after")
    def changes_something(self) -> "Rewrite":
        """Refuse a filter that does nothing, and prefixes that are none."""
        if not self.model_fields_set:
            raise refused("has no key, and so changes nothing")
        for key in ("strip_prefix", "add_prefix"):
            if getattr(self, key) == "/":
                raise refused(f"`{key}` is `/`, which every path begins with", at=(key,))
        return self

    @model_validator(mode="after")
    def has_one_way_to_a_path(self) -> "Rewrite":
        """Refuse a whole path together with parts of one."""
        if self.path is not None:
            for key in ("strip_prefix", "regex", "add_prefix"):
                if getattr(self, key) is not None:
                    raise refused(f"`path` is the whole path, and so stands without `{key}`", at=("path",))
        return self

"""What a request must look like to take a route. Decided in the core, `crates/core/src/route/`."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from tidegate._engine import pattern_flaw
from tidegate.config.addresses import LABEL, read_ip
from tidegate.config.complaint import refused
from tidegate.config.expression import Expression
from tidegate.config.filters.access import Networks
from tidegate.config.filters.fields import TOKEN
from tidegate.config.model import Model
from tidegate.config.scalar import show


def read_host(given: Any) -> str:
    """Read a host as requests name it: lower case, without a port, `*.` for any depth below."""
    if not isinstance(given, str) or not given:
        raise refused(f"must be a host, as `api.example.com`, not {show(given)}")
    host = given.lower()
    bare = host.removeprefix("[").removesuffix("]")
    address = read_ip(bare)
    if address is not None:
        return f"[{address}]" if ":" in str(address) else str(address)
    if match := re.fullmatch(r"(.+):[0-9]+", host):
        raise refused("is a host, and a host has no port here: the listener has it", f'"{match[1]}"')
    if "://" in host or "/" in host:
        raise refused(f"must be a host alone, not {show(given)}", "as `api.example.com`")
    name = host.removeprefix("*.")
    if "*" in name:
        raise refused("has a `*` where none can be: it stands first, for whole labels", 'as "*.example.com"')
    if name.endswith("."):
        raise refused("ends with a dot, and hosts are compared without it", f'"{host.rstrip(".")}"')
    if not name.isascii():
        raise refused("must be in ASCII, as browsers send it", f'"{_in_ascii(host)}"')
    if len(name) > 253 or not all(LABEL.fullmatch(label) for label in name.split(".")):
        raise refused(f"must be a host, as `api.example.com`, not {show(given)}")
    return host


def _in_ascii(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return "xn--…"


Host = Annotated[str, BeforeValidator(read_host)]


def check_path(path: str) -> str:
    """Refuse a path that no request can have in the form in which paths are matched."""
    if not path.startswith("/"):
        raise refused(f"must begin with `/`, not with {show(path)}", f'"/{path}"')
    if cut := re.search(r"[?#]", path):
        raise refused(f"has a `{cut[0]}`: a path is matched without query and fragment", f'"{path[: cut.start()]}"')
    if any(segment in (".", "..") for segment in path.split("/")) or "\\" in path:
        raise refused("has a dot segment or a backslash, and requests with one are refused")
    if "//" in path:
        raise refused("has a repeated slash, and those are merged before matching", f'"{re.sub("/+", "/", path)}"')
    if escape := re.search(r"%(?!2F|25)[0-9A-Fa-f]{0,2}", path):
        raise refused(f"has the escape `{escape[0]}`: escapes but `%2F` and `%25` are decoded before matching")
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in path):
        raise refused("has a control character")
    return path


def check_regex(pattern: str) -> str:
    """Refuse a pattern that is empty, absurdly long, or none of the engine's dialect: the core itself says so."""
    if not pattern:
        raise refused("is an empty pattern, which matches everything", "leave `path` out")
    if len(pattern) > 4_096:
        raise refused("is longer than the 4096 characters that a pattern may have")
    if flaw := pattern_flaw(pattern):
        raise refused(f"is no pattern of the engine's dialect: {flaw}")
    return pattern


Path = Annotated[str, AfterValidator(check_path)]
Regex = Annotated[str, AfterValidator(check_regex)]


class PathMatch(Model):
    """One of the three forms of a path; a string is a `prefix`. Escapes but `%2F` and `%25` are decoded before."""

    short = "prefix"

    prefix: Path | None = None
    """That path and all below it, on segment borders: `/v1/` matches `/v1` and `/v1/x`, and not `/v10`."""
    exact: Path | None = None
    """That path and no other."""
    regex: Regex | None = None
    """A pattern of Rust's `regex` crate, searched in the path, so anchor it with `^`."""

    @model_validator(mode="after")
    def has_one_form(self) -> "PathMatch":
        """Refuse two forms at once, and none."""
        forms = [self.prefix, self.exact, self.regex]
        if sum(form is not None for form in forms) != 1:
            raise refused("must have exactly one of `prefix`, `exact` and `regex`")
        return self


def read_method(given: Any) -> str:
    """Read a method as clients send it: they differ in case, and none of the usual ones has small letters."""
    if not isinstance(given, str) or TOKEN.fullmatch(given) is None:
        raise refused(f"must be a method, as `GET`, not {show(given)}")
    if given != given.upper():
        raise refused(f"must be a method as it is sent, and methods differ in case, not {show(given)}", given.upper())
    if given in ("CONNECT", "TRACE"):
        raise refused(f"`{given}` is not served: such requests are refused with 405 before a route is chosen")
    return given


def read_header(given: Any) -> str:
    """Read the name of a header, in lower case."""
    if not isinstance(given, str) or TOKEN.fullmatch(given) is None:
        raise refused(f"must be the name of a header, as `x-beta`, not {show(given)}")
    return given.lower()


def names_stand_once(given: Any) -> Any:
    """Refuse one name in two spellings: only one of the two could hold."""
    seen: set[str] = set()
    for name in given if isinstance(given, Mapping) else ():
        if isinstance(name, str) and name.lower() in seen:
            raise refused(f"the header `{name}` stands here twice", "leave one out", at=(name,))
        seen.add(str(name).lower())
    return given


def check_text(text: str) -> str:
    """Refuse a text that no request can have, and the empty one, which could mean three things."""
    if not text:
        raise refused("is empty, which could mean `missing` or `there, without a value`", "say it in `when`")
    if text != text.strip(" \t") or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
        raise refused("has a control character, or a blank at an end, and no header has")
    return text


def check_term(text: str) -> str:
    """Refuse the empty text, as for headers; in a query all else can stand, escaped."""
    if not text:
        raise refused("is empty, which could mean `missing` or `there, without a value`", "say it in `when`")
    return text


Method = Annotated[str, BeforeValidator(read_method)]
HeaderName = Annotated[str, BeforeValidator(read_header)]
HeaderText = Annotated[str, AfterValidator(check_text)]
TermName = Annotated[str, Field(min_length=1)]
TermText = Annotated[str, AfterValidator(check_term)]


class Match(Model):
    """What a request must look like, in all that is given; a key that is left out holds for every request."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    host: Host | None = None
    """`api.example.com`, or `"*.example.com"` for any depth below it; quoted, since `*` begins an alias in YAML."""
    path: PathMatch | None = None
    """`/v1/` is a prefix on segment borders; `{exact: …}` and `{regex: …}` are the other two forms."""
    methods: Annotated[tuple[Method, ...], Field(min_length=1)] | None = None
    """One of these: `[GET, HEAD]`. `GET` does not stand for `HEAD`."""
    headers: Annotated[Mapping[HeaderName, HeaderText], BeforeValidator(names_stand_once)] = {}
    """Exactly these texts, all of them. Names are compared without case; a header that comes several times is joined by
    `, `. For presence, absence and patterns there is `when`."""
    query: Mapping[TermName, TermText] = {}
    """Exactly these texts of query terms, all of them, with escapes decoded: `{page: "2"}`."""
    from_: Annotated[Networks | None, Field(alias="from")] = None
    """The client is in one of these networks. Who that is `forwarded.from` of the listener decides."""
    when: Expression | None = None
    """A condition over the request: `request.cookies["beta"] == "1"`."""

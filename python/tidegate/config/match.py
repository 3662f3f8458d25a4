"""What a request must look like to take a route. Decided in the core, `crates/core/src/route/`."""

import re
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, model_validator

from tidegate._engine import pattern_flaw
from tidegate.config.addresses import LABEL, read_ip
from tidegate.config.complaint import refused
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


class Match(Model):
    """What a request must look like; a key that is left out holds for every request."""

    later: ClassVar = {
        "methods": "matching by method",
        "headers": "matching by header",
        "query": "matching by query",
        "from": "matching by the client's network",
        "when": "matching by an expression",
    }

    host: Host | None = None
    """`api.example.com`, or `"*.example.com"` for any depth below it; quoted, since `*` begins an alias in YAML."""
    path: PathMatch | None = None
    """`/v1/` is a prefix on segment borders; `{exact: …}` and `{regex: …}` are the other two forms."""

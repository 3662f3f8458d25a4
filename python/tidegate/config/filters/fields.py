"""Names and values of header fields, as filters write them."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from tidegate.config.complaint import refused
from tidegate.config.scalar import show

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, section 5.6.2."""

_FRAMING = "says where a message ends, and the proxy frames every message itself"
_HOP = "speaks of one connection, and so never goes on"
FIXED: Final[Mapping[str, tuple[str, str]]] = {
    "host": ("has a filter of its own", "`rewrite: {host: …}`"),
    "content-length": (_FRAMING, ""),
    "transfer-encoding": (_FRAMING, ""),
    "connection": (_HOP, ""),
    "upgrade": (_HOP, "`websocket` is passed on by itself"),
    "te": (_HOP, ""),
    "trailer": ("announces fields behind a body, which go on as they come", ""),
    "keep-alive": (_HOP, "`timeouts` and `pool` say how long connections are kept"),
    "proxy-connection": (_HOP, ""),
    "proxy-authenticate": (_HOP, ""),
    "proxy-authorization": (_HOP, ""),
    "http2-settings": (_HOP, ""),
    "expect": ("says whether a body comes, which is between the client and the endpoint", ""),
    "max-forwards": ("is counted down by the proxy", ""),
}
"""Fields that no filter may write, why, and the way out; the core has the same list, `filter/headers.rs`."""


def read_name(given: Any) -> str:
    """Read a name that a filter may write; a reader like CGI takes every sign for a dash."""
    if not isinstance(given, str) or TOKEN.fullmatch(given) is None:
        raise refused(f"must be the name of a header, as `X-Api`, not {show(given)}")
    if reason := FIXED.get(re.sub("[^0-9a-z]", "-", given.lower())):
        raise refused(f"`{given}` {reason[0]}", reason[1])
    return given


def check_value(given: Any) -> Any:
    """Refuse what would end the line, and with it the field."""
    if isinstance(given, str) and (control := re.search(r"[\x00-\x08\x0a-\x1f\x7f]", given)):
        raise refused(f"has a control character, `{ascii(control[0])[1:-1]}`, and a header is one line")
    return given


FieldName = Annotated[str, BeforeValidator(read_name), Field(json_schema_extra={"pattern": f"^{TOKEN.pattern}$"})]

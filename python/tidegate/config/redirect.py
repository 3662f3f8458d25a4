"""Where a redirect sends a client: to a place whose host no client chooses. Written in the core, `lane/own.rs`."""

import re
from itertools import takewhile
from typing import Any, Literal

from tidegate.config.complaint import refused
from tidegate.config.expression import Template
from tidegate.config.expression.template import literals
from tidegate.config.expression.value import Use
from tidegate.config.model import Model

HOLES = {"request.host": "host", "request.uri": "/", "request.path": "/"}
"""Words that may stand in the authority or end it, and something that they could be."""
ANY = "\0"
"""What stands for every other hole."""


class Location(Template):
    """Where a redirect leads: a URL or a path with holes, whose host no client can choose."""

    noun = "a URL or a path"

    @classmethod
    def compile(cls, text: str) -> tuple[Any, list[Use]]:
        """Make the parts. What stands in the authority (RFC 3986, section 3.2) may be `request.host` alone."""
        made, uses = super().compile(text)
        if control := re.search(r"[\x00-\x20\x7f]", literals(made)):
            raise refused(f"has a blank or control character, `{ascii(control[0])[1:-1]}`, and a URL has none")
        begin = literals(list(takewhile(lambda part: "literal" in part, made)))
        url = "".join(part.get("literal", HOLES.get(part.get("word"), ANY)) for part in made)
        # Two slashes name a host only where a person wrote both: the core makes one of those that a hole brings.
        if re.match("/(?!/)", begin or url[:1]):
            return made, uses
        found = re.match("((?:https?:)?//)([^/?#]*)", url)
        if found is None:
            raise refused("must begin with `https://`, `http://` or `/`, so that no client chooses where it leads")
        scheme, authority = found.groups()
        if ANY in authority:
            raise refused(
                "must not let a client choose the host: behind it comes `/`, `{request.path}` or `{request.uri}`",
                f'"{begin}{{request.uri}}"' if re.fullmatch(r"(https?:)?//[\w.-]+(:[0-9]+)?", begin) else "",
            )
        if not authority or authority.startswith(":"):
            raise refused(f"must have a host behind `{scheme}`", f'"{scheme}{{request.host}}{{request.uri}}"')
        if "@" in authority:
            raise refused("must name no user before the host (RFC 9110, section 4.2.4)")
        return made, uses


class Redirect(Model):
    """An answer that sends the client elsewhere."""

    short = "to"

    to: Location
    """Where to, with holes: `https://new.example.com{request.uri}`. `{{` and `}}` are braces."""
    status: Literal[301, 302, 303, 307, 308] = 302
    """301 and 308 are kept by clients, 302 and 307 are not; 307 and 308 keep method and body, 303 makes it a GET."""

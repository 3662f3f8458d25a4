"""What the API changes: endpoints of an upstream, for whoever has the admin's token."""

import asyncio
import hmac
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tidegate.supervisor.endpoints import NotChanged

ROOT = "/api/v1"
PLACE = re.compile(rf"{ROOT}/upstreams/([^/]+)/(endpoints|register)")
ROLLOUTS = f"{ROOT}/rollouts"
MOST_BODY = 65_536
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes that the API takes: `POST /api/v1/upstreams/NAME/endpoints`, `…/register` and `/api/v1/rollouts`."""

    token: Callable[[], str | None]
    """The admin's token now; None where the configuration has none, and then nothing can be changed here."""
    change: Callable[[Any, str], Awaitable[dict[str, Any]]]
    """Makes a change, asked for by whom. Raises `NotChanged`."""

    roll: Callable[[Any, str], Awaitable[dict[str, Any]]]
    """Changes a rollout, in the same way."""

    def takes(self, path: str) -> bool:
        """Whether something is changed there."""
        return path == ROLLOUTS or PLACE.fullmatch(path) is not None

    async def answer(
        self, path: str, fields: list[tuple[str, str]], reader: asyncio.StreamReader
    ) -> tuple[str, dict[str, Any]]:
        """Answer one request: the status with its phrase, and the body."""
        token = self.token()
        if token is None:
            says = "changes over HTTP need `admin.token` in the configuration; `tidegate endpoints` needs none"
            return "403 Forbidden", {"error": says}
        given = next((value for name, value in fields if name == "authorization"), "")
        scheme, _, word = given.partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(word.strip().encode(), token.encode()):
            return "401 Unauthorized", {"error": "the field `Authorization: Bearer TOKEN` has not the admin's token"}
        length = next((value for name, value in fields if name == "content-length"), "")
        if not length.isdecimal():
            return "411 Length Required", {"error": "a change is a JSON object, and its length is told"}
        if int(length) > MOST_BODY:
            return "413 Content Too Large", {"error": f"a change has at most {MOST_BODY} bytes"}
        body = await asyncio.wait_for(reader.readexactly(int(length)), PATIENCE_S)
        try:
            asked = json.loads(body)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            return "400 Bad Request", {"error": "a change is a JSON object"}
        try:
            return "200 OK", await self._make(path, asked, who_asks(fields))
        except NotChanged as error:
            code = "404 Not Found" if error.is_unknown else "422 Unprocessable Content"
            return code, {"error": str(error)}

    async def _make(self, path: str, asked: dict[str, Any], by: str) -> dict[str, Any]:
        found = PLACE.fullmatch(path)
        if found is None:
            return await self.roll(asked, by)
        kind = {"action": "register"} if found[2] == "register" else {}
        return await self.change({**kind, **asked, "upstream": unquote(found[1])}, by)


def who_asks(fields: list[tuple[str, str]]) -> str:
    """Name the peer of the admin listener. It believes nobody, so the engine wrote the one field that says so."""
    peer = next((value for name, value in fields if name == "x-forwarded-for"), "")
    return f"the API from {peer}" if peer else "the API on a Unix socket"

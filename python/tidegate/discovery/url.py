"""A URL as a provider: asked again and again, with the ETag of what is known; after failures less and less often."""

from collections.abc import Callable, Mapping

from tidegate.discovery.dns import Resolver
from tidegate.discovery.fetch import fetch
from tidegate.discovery.provider import NotFound

LONGEST_BACK_OFF_S = 60.0
JITTER = 0.1
"""Each pause is so much longer or shorter by chance, so that instances which began together do not ask together."""


class PolledUrl:
    """A URL that answers with a list. `fields` go along with each question; asking for them may raise `NotFound`."""

    def __init__(
        self,
        url: str,
        interval_s: float,
        timeout_s: float,
        *,
        resolver: Resolver,
        chance: Callable[[], float],
        fields: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.url = url
        self.interval_s = interval_s
        self.timeout_s = timeout_s
        self.next_s = interval_s
        self._resolver = resolver
        self._chance = chance
        self._fields = fields
        self._etag: str | None = None
        self._failures = 0

    async def look(self) -> bytes | None:
        """Ask it."""
        try:
            answer = await fetch(
                self.url, self._etag, resolver=self._resolver, timeout_s=self.timeout_s, fields=self._fields()
            )
            if answer.status == 304 and self._etag is not None:
                self._rest(0)
                return None
            if answer.status != 200:
                raise NotFound(f"it answers with {answer.status} {answer.reason}".rstrip())
        except NotFound:
            self._rest(self._failures + 1)
            raise
        self._rest(0)
        self._etag = answer.etag
        return answer.body

    def refuse(self) -> None:
        """Ask for it whole again."""
        self._etag = None
        self._rest(self._failures + 1)

    def _rest(self, failures: int) -> None:
        self._failures = failures
        longest = max(self.interval_s, LONGEST_BACK_OFF_S)
        pause_s = min(self.interval_s * 2.0 ** min(failures, 16), longest)
        self.next_s = pause_s * (1 + JITTER * (2 * self._chance() - 1))

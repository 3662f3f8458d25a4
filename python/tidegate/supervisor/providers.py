"""The providers of the configuration: looked at when it begins, watched from then on, the last good list kept.

A list that cannot be had or read changes nothing: the last good one holds, also across restarts, and the log says why.
A list that is there and empty is obeyed.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tidegate.compile.found import Found
from tidegate.config import provider as configured
from tidegate.config.config import Config
from tidegate.config.endpoint_list import EndpointList, read_endpoint_list
from tidegate.config.secret import SecretUnreadable
from tidegate.config.upstream import Endpoint
from tidegate.discovery.dns import Clock
from tidegate.discovery.file import WatchedFile
from tidegate.discovery.provider import NotFound, Provider
from tidegate.discovery.resolver import SystemResolver
from tidegate.discovery.service import Service
from tidegate.discovery.url import PolledUrl
from tidegate.supervisor.log import Log
from tidegate.supervisor.refusal import Refused
from tidegate.supervisor.secrets import ReadSecret, read_secret
from tidegate.supervisor.state import State

FILE = "providers.json"
MOST_TOLD = 10
"""Endpoints that a line of the log names."""
MOST_PROBLEMS = 5

Changed = Callable[[str], Awaitable[None]]


@dataclass
class Standing:
    """One provider, and how it is."""

    configured: configured.Provider
    provider: Provider
    good_at: float | None = None
    """When its list was last known to be the one that holds; seconds since 1970."""
    error: str = ""
    """Why the last look gave no list."""
    is_refused: bool = False
    """Whether the last list that came cannot be read."""
    watching: asyncio.Task[None] | None = None

    @property
    def key(self) -> str:
        """How it is called."""
        return self.configured.key


class Providers:
    """What each provider lists now. `changed` is awaited after a list unlike the last good one."""

    def __init__(
        self,
        resolver: SystemResolver,
        clock: Clock,
        log: Log,
        state: State,
        changed: Changed,
        open_secret: ReadSecret | None,
    ) -> None:
        self.found: dict[str, Found] = {}
        self._resolver = resolver
        self._clock = clock
        self._log = log
        self._state = state
        self._changed = changed
        self._open_secret = open_secret
        self._standings: dict[str, Standing] = {}
        kept = (state.read(FILE) or {}).get("lists")
        self._kept: dict[str, Any] = kept if isinstance(kept, dict) else {}

    async def look_up_new(self, config: Config) -> None:
        """Look at the providers that are not known yet, all at once; one without a list is a warning."""
        fresh = []
        for key, each in _wanted(config).items():
            known = self._standings.get(key)
            if known is None or known.configured.model_dump() != each.model_dump():
                _forget(known)
                self._standings[key] = Standing(each, self._make(each))
                fresh.append(self._standings[key])
        await asyncio.gather(*(self._look_first(each) for each in fresh))

    def watch(self, config: Config) -> None:
        """Watch the providers of this configuration, and forget all others."""
        wanted = _wanted(config)
        for key in [key for key in self._standings if key not in wanted]:
            _forget(self._standings.pop(key))
            self.found.pop(key, None)
        for each in self._standings.values():
            if each.watching is None:
                each.watching = asyncio.get_running_loop().create_task(self._watch(each))

    def stop(self) -> None:
        """Watch no more."""
        for each in self._standings.values():
            _forget(each)

    def told(self) -> list[dict[str, Any]]:
        """Say how each one is, as the status has it."""
        return [
            {
                "provider": each.key,
                "endpoints": len(self.found.get(each.key, Found()).endpoints),
                "good": each.good_at,
                "error": each.error,
            }
            for each in self._standings.values()
        ]

    def good(self) -> dict[str, float]:
        """When the list of each provider that has one was last known to hold; seconds since 1970."""
        return {key: each.good_at for key, each in self._standings.items() if each.good_at is not None}

    def _make(self, each: configured.Provider) -> Provider:
        match each:
            case configured.ServiceProvider():
                return Service(each.srv, self._resolver)
            case configured.FileProvider():
                return WatchedFile(each.file)
            case configured.UrlProvider():
                interval_s, timeout_s = each.interval.milliseconds / 1000, each.timeout.milliseconds / 1000
                fields = partial(token_field, each, self._open_secret)
                return PolledUrl(
                    each.url, interval_s, timeout_s, resolver=self._resolver, chance=random.random, fields=fields
                )

    async def _look_first(self, standing: Standing) -> None:
        if standing.key not in self.found:
            self._remember(standing)
        await self._look(standing)

    def _remember(self, standing: Standing) -> None:
        """Take the list over that an earlier supervisor kept."""
        kept = self._kept.get(standing.key)
        if isinstance(kept, dict) and isinstance(kept.get("text"), str) and isinstance(kept.get("at"), float):
            read = _read(standing, kept["text"].encode())
            if not read.problems:
                self.found[standing.key] = Found(read.endpoints)
                standing.good_at = kept["at"]

    async def _watch(self, standing: Standing) -> None:
        while True:
            await self._clock.sleep(standing.provider.next_s)
            if await self._look(standing):
                await self._changed(standing.key)

    async def _look(self, standing: Standing) -> bool:
        """Look at a provider once; says whether its list is another one."""
        try:
            content = await standing.provider.look()
        except NotFound as error:
            self._fail(standing, str(error))
            return False
        if content is None:
            if not standing.is_refused:
                self._rest(standing)
            return False
        read = await asyncio.to_thread(_read, standing, content)
        standing.is_refused = bool(read.problems)
        if read.problems:
            standing.provider.refuse()
            more = len(read.problems) - MOST_PROBLEMS
            told = [str(each) for each in read.problems[:MOST_PROBLEMS]] + [f"and {more} more"] * (more > 0)
            self._fail(standing, "\n".join(["its list is wrong:", *told]))
            return False
        self._rest(standing)
        return self._take(standing, read, content)

    def _take(self, standing: Standing, read: EndpointList, content: bytes) -> bool:
        before = self.found.get(standing.key)
        says = _difference(() if before is None else before.endpoints, read.endpoints)
        self.found[standing.key] = Found(read.endpoints)
        if before is not None and not says and not before.says:
            return False
        self._log.info(f"{standing.key}: {says or 'lists no endpoint'}")
        self._keep(standing.key, content)
        return True

    def _rest(self, standing: Standing) -> None:
        if standing.error:
            self._log.info(f"{standing.key}: the list is there again")
        standing.error, standing.good_at = "", time.time()

    def _fail(self, standing: Standing, says: str) -> None:
        if says == standing.error:
            return
        standing.error = says
        found = self.found.setdefault(standing.key, Found(says=says.partition("\n")[0]))
        if found.says:
            self.found[standing.key] = Found(says=says.partition("\n")[0])
            self._log.warning(f"{standing.key}: there is no list: {says}")
        else:
            self._log.warning(f"{standing.key}: the last good list is kept: {says}")

    def _keep(self, key: str, content: bytes) -> None:
        """Keep a list in the state folder, for a supervisor that cannot have it."""
        lists = {name: each for name, each in self._kept.items() if name in self._standings}
        self._kept = {**lists, key: {"text": content.decode("utf-8-sig"), "at": time.time()}}
        try:
            self._state.write(FILE, {"lists": self._kept})
        except OSError as error:
            self._log.warning(f"the list of {key} could not be kept in the state folder: {error.strerror}")


def token_field(url: configured.UrlProvider, open_secret: ReadSecret | None) -> dict[str, str]:
    """Give the field with the token that a URL is asked with, if it has one. Raises `NotFound`."""
    if url.token is None:
        return {}
    try:
        token = read_secret(url.token, open_secret)
    except (SecretUnreadable, Refused, UnicodeDecodeError) as error:
        raise NotFound(f"its token: {error}") from None
    if not token.isascii() or not token.isprintable():
        raise NotFound(f"its token, {url.token.name}, has a letter that no field of HTTP may have")
    return {"Authorization": f"Bearer {token}"} if url.header is None else {url.header: token}


def _wanted(config: Config) -> dict[str, configured.Provider]:
    return {each.key: each for upstream in config.upstreams.values() for each in upstream.providers}


def _forget(standing: Standing | None) -> None:
    if standing is not None and standing.watching is not None:
        standing.watching.cancel()


def _read(standing: Standing, content: bytes) -> EndpointList:
    match standing.configured:
        case configured.FileProvider(file=path):
            return read_endpoint_list(content, str(path), path.parent)
        case each:
            return read_endpoint_list(content, each.key)


def _difference(before: Iterable[Endpoint], now: Iterable[Endpoint]) -> str:
    """Say what has changed, in words; nothing where nothing has."""
    old = {str(each.address): each.model_dump() for each in before}
    new = {str(each.address): each.model_dump() for each in now}
    changed = [address for address in new if address in old and old[address] != new[address]]
    parts = {
        "added": [address for address in new if address not in old],
        "changed": changed,
        "drained": [address for address in old if address not in new],
    }
    says = "; ".join(f"{what} {_few(which)}" for what, which in parts.items() if which)
    return says or ("in another order" if list(old) != list(new) else "")


def _few(addresses: list[str]) -> str:
    more = len(addresses) - MOST_TOLD
    return ", ".join(addresses[:MOST_TOLD]) + (f" and {more} more" if more > 0 else "")

"""The DNS names of the configuration: looked up at start, watched from then on, the last good answer kept."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from tidegate.compile.resolved import Resolved
from tidegate.discovery.dns import RETRY_S, Clock, LookupFailed, Resolver, compare, watch_dns, with_port
from tidegate.supervisor.log import Log

Changed = Callable[[str], Awaitable[None]]


class Names:
    """What each `name:port` stands for now. `changed` is awaited after an answer unlike the last good one."""

    def __init__(self, resolver: Resolver, clock: Clock, log: Log, changed: Changed) -> None:
        self.resolver = resolver
        self.clock = clock
        self.log = log
        self.changed = changed
        self.resolved: dict[str, Resolved] = {}
        self._next_s: dict[str, float] = {}
        self._watching: dict[str, asyncio.Task[None]] = {}

    def remember(self, known: dict[str, list[str]]) -> None:
        """Take over the last good answers of an earlier supervisor."""
        for entry, addresses in known.items():
            self.resolved.setdefault(entry, Resolved(tuple(addresses)))

    async def look_up_new(self, wanted: Iterable[str]) -> None:
        """Look up the names that are not watched yet, all at once; one without an address is a warning."""
        await asyncio.gather(*(self._look_up(entry) for entry in wanted if entry not in self._watching))

    async def _look_up(self, entry: str) -> None:
        name, port = _parts(entry)
        try:
            answer = await self.resolver.look_up(name)
        except LookupFailed as failed:
            self._next_s[entry] = RETRY_S
            if not self.resolved.get(entry, Resolved()).addresses:
                self.resolved[entry] = Resolved(says=str(failed))
                self.log.warning(f"{entry} has no address: {failed}")
            else:
                self.log.warning(f"{entry}: the last good answer is kept: {failed}")
        else:
            self.resolved[entry] = Resolved(tuple(sorted(with_port(ip, port) for ip in answer.ips)))
            self._next_s[entry] = answer.ttl_s

    def watch(self, wanted: Iterable[str]) -> None:
        """Watch these names, and forget all others."""
        names = dict.fromkeys(wanted)
        for entry in [each for each in self._watching if each not in names]:
            self._watching.pop(entry).cancel()
        self.resolved = {entry: self.resolved[entry] for entry in names if entry in self.resolved}
        for entry in self.resolved:
            if entry not in self._watching:
                self._watching[entry] = asyncio.get_running_loop().create_task(self._watch(entry))

    async def _watch(self, entry: str) -> None:
        name, port = _parts(entry)
        first = self._next_s.get(entry, RETRY_S)
        said = ""
        async for found in watch_dns(name, port, resolver=self.resolver, clock=self.clock, first_after_s=max(first, 1)):
            if isinstance(found, LookupFailed):
                if str(found) != said:
                    said = str(found)
                    self.log.warning(f"{entry}: the last good answer is kept: {found}")
                continue
            said = ""
            delta = compare(frozenset(self.resolved[entry].addresses), found)
            if delta:
                self.resolved[entry] = Resolved(tuple(sorted(found)))
                self.log.info(f"{entry}: added {_list(delta.add)}, drained {_list(delta.drain)}")
                await self.changed(entry)

    def stop(self) -> None:
        """Watch no more."""
        self.watch(())


def _parts(entry: str) -> tuple[str, int]:
    name, _, port = entry.rpartition(":")
    return name, int(port)


def _list(addresses: Iterable[str]) -> str:
    return ", ".join(sorted(addresses)) or "none"

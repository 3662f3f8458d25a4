"""Where endpoints come from besides the configuration: names, and providers, which may list names."""

from collections.abc import Mapping

from tidegate.compile.found import Found
from tidegate.compile.resolved import Resolved
from tidegate.compile.snapshot import names_to_resolve
from tidegate.config.config import Config
from tidegate.discovery.resolver import LoopClock, SystemResolver
from tidegate.supervisor.log import Log
from tidegate.supervisor.names import Changed, Names
from tidegate.supervisor.providers import Providers
from tidegate.supervisor.secrets import ReadSecret
from tidegate.supervisor.state import State


class Sources:
    """What names stand for and providers list now.

    `name_changed` and `list_changed` are awaited with the name or the provider whose answer is another one.
    `open_secret` reads what only the broker may.
    """

    def __init__(
        self,
        state: State,
        log: Log,
        name_changed: Changed,
        list_changed: Changed,
        open_secret: ReadSecret | None = None,
    ) -> None:
        resolver, clock = SystemResolver(), LoopClock()
        self._list_changed = list_changed
        self._config: Config | None = None
        self.names = Names(resolver, clock, log, name_changed)
        self.providers = Providers(resolver, clock, log, state, self._listed, open_secret)

    @property
    def resolved(self) -> Mapping[str, Resolved]:
        """What each name stands for."""
        return self.names.resolved

    @property
    def found(self) -> Mapping[str, Found]:
        """What each provider lists."""
        return self.providers.found

    async def look_up_new(self, config: Config) -> None:
        """Look at what is not known yet."""
        await self.providers.look_up_new(config)
        await self.names.look_up_new(names_to_resolve(config, self.found))

    def watch(self, config: Config) -> None:
        """Watch what this configuration has, and forget all else."""
        self._config = config
        self.providers.watch(config)
        self.names.watch(names_to_resolve(config, self.found))

    def stop(self) -> None:
        """Watch no more."""
        self.names.stop()
        self.providers.stop()

    async def _listed(self, key: str) -> None:
        """Know the names of a new list before it counts."""
        assert self._config is not None, "only what is watched changes"
        await self.names.look_up_new(names_to_resolve(self._config, self.found))
        await self._list_changed(key)

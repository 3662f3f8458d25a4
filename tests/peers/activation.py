"""A service manager that binds and hands its sockets on (sd_listen_fds(3))."""

import socket
import sys
from collections.abc import Sequence

ACTIVATE = """\
import fcntl, os, sys
given = [fcntl.fcntl(int(each), fcntl.F_DUPFD, 100) for each in sys.argv[1].split(",")]
for number, each in enumerate(given, start=3):
    os.dup2(each, number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""


def activate(sockets: Sequence[socket.socket], names: str) -> list[str]:
    """The words that stand before a Python program's, less `python`, to start it with these sockets, which it inherits.

    `names` are theirs, with colons between them; `unknown` is none.
    """
    return [sys.executable, "-c", ACTIVATE, ",".join(str(each.fileno()) for each in sockets), names]

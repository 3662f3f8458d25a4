"""What systemd is told (sd_notify(3)): one datagram to the socket that it names."""

import os
import socket
import time
from contextlib import suppress


def notify(*words: str) -> None:
    """Tell the service manager, if there is one; it is never worth an error."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.setblocking(False)
        sock.sendto("\n".join(words).encode(), "\0" + address[1:] if address[0] == "@" else address)


def ready(status: str) -> None:
    """Tell that all listeners accept."""
    notify("READY=1", f"MAINPID={os.getpid()}", f"STATUS={status}")


def reloading() -> None:
    """Tell that a reload has begun; `ready` ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping() -> None:
    """Tell that the end has begun."""
    notify("STOPPING=1", "STATUS=draining")

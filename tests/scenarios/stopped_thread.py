"""Stops one thread of another process and lets the others run, as a debugger does (ptrace(2))."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PTRACE_DETACH = 17
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
WALL = 0x40000000
"""For waitpid(2): threads of other processes, too."""


@contextmanager
def stopped_thread(pid: int, name: str) -> Iterator[None]:
    """Stop the thread called `name` until the block ends, or the process."""
    [thread] = [int(each.parent.name) for each in Path(f"/proc/{pid}/task").glob("*/comm") if is_called(each, name)]
    trace(PTRACE_SEIZE, thread)
    trace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        if LIBC.ptrace(PTRACE_DETACH, thread, None, None) != 0:
            os.waitpid(thread, WALL)  # it died meanwhile, and its process cannot end before we have seen that


def is_called(comm: Path, name: str) -> bool:
    """Whether a thread has this name."""
    return comm.read_text().rstrip("\n") == name


def trace(what: int, thread: int) -> None:
    """One request of ptrace; raises `OSError`."""
    if LIBC.ptrace(what, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
LIBC.ptrace.restype = ctypes.c_long

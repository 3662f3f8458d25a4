"""The three standard descriptors: where whoever started us closed one, the null device stands in for it.

Else the next thing that is opened, a state file or a client's connection, would take its number and be written to.
"""

import os
import sys


def fill() -> None:
    """Open what is closed of stdin, stdout and stderr. For the start, before anything else is opened."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            os.set_inheritable(number, True)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)

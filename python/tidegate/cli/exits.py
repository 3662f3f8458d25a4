"""What the exit code of a command says."""

from typing import Final

DONE: Final = 0
INPUT_IS_WRONG: Final = 1
USED_WRONGLY: Final = 2
NOT_REACHED: Final = 3
"""The running instance cannot be reached."""
MACHINE_REFUSES: Final = 4
"""An address in use, already running, a permission."""

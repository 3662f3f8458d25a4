"""A program of the operator's that puts records into DNS and takes them out, for whoever has another interface."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tidegate.certificates.answer import NotShown, Presented

LONGEST_S = 120.0
MOST_TOLD = 500


@dataclass(frozen=True, slots=True)
class Hook:
    """The program and its first words. It is called as `WORDS present|cleanup NAME RECORD`.

    The same words as lego's `exec` provider has, so that its scripts go on working. What it prints is told where it
    fails.
    """

    words: tuple[str, ...]
    settle_s: float = 0
    sleep: Callable[[float], None] = time.sleep

    def present(self, what: Presented) -> None:
        """Have the record put there. Raises `NotShown`."""
        self._run("present", what)
        self.sleep(self.settle_s)

    def withdraw(self, what: Presented) -> None:
        """Have it taken out. Raises `NotShown`."""
        self._run("cleanup", what)

    def _run(self, action: Literal["present", "cleanup"], what: Presented) -> None:
        words = [*self.words, action, f"{what.record_name}.", what.record]
        told = {"TIDEGATE_NAME": what.name, "TIDEGATE_TOKEN": what.token, "TIDEGATE_AUTHORIZATION": what.authorization}
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **told},
                timeout=LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotShown(f"{self.words[0]} {action} did not end within {LONGEST_S:.0f} s") from None
        except OSError as error:
            raise NotShown(f"{self.words[0]} cannot be run: {error.strerror}") from None
        if done.returncode != 0:
            says = done.stdout.decode(errors="replace").strip()[-MOST_TOLD:]
            raise NotShown(f"{self.words[0]} {action} ended with {done.returncode}: {says or 'it said nothing'}")

"""When a certificate is renewed, and when it is tried again after a failure. Decisions only: time and dice come in."""

from collections.abc import Callable
from dataclasses import dataclass

from tidegate.certificates.facts import Facts, Window

SHARE = 2 / 3
"""Of its life a certificate has used when it is renewed, where its issuer does not say when (RFC 9773)."""
JITTER = 0.05
"""Of its life, either way, so that certificates of one hour are not renewed in one."""
PAUSES_S = (60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 21_600.0)
"""After so many failures in a row. Let's Encrypt lets a name fail 5 times an hour."""
LONGEST_PAUSE_S = 86_400.0
"""A longer `Retry-After` is taken as this, so that a wrong date does not end renewals."""
ASK_S = 21_600.0
"""How long what an issuer said of renewal holds, where it does not say itself (RFC 9773, section 4.3.3)."""
LEAST_ASK_S, MOST_ASK_S = 60.0, 86_400.0


def renew_at(facts: Facts, chance: Callable[[], float]) -> float:
    """Say when a certificate is to be renewed, in seconds since 1970.

    Within the issuer's window any moment is as good as another, so it is drawn (RFC 9773, section 4.2). Whoever asks
    keeps the answer: each time it is drawn anew.
    """
    if facts.window is not None and facts.window.start < facts.window.end:
        chosen = facts.window.start + chance() * (facts.window.end - facts.window.start)
        return min(chosen, facts.not_after)
    life = facts.not_after - facts.not_before
    return facts.not_before + life * (SHARE + JITTER * (2 * chance() - 1))


def ask_at(window: Window | None, now: float) -> float:
    """Say when an issuer is asked when it wants a certificate renewed: at once where it never was."""
    return now if window is None else window.again


def ask_again(now: float, retry_after_s: float | None) -> float:
    """Say until when what an issuer said holds."""
    wait = ASK_S if retry_after_s is None else min(max(retry_after_s, LEAST_ASK_S), MOST_ASK_S)
    return now + wait


@dataclass(frozen=True, slots=True)
class Failures:
    """How a name failed, in a row. Times in seconds since 1970."""

    count: int = 0
    at: float = 0.0
    """When it failed last."""
    next: float = 0.0
    """When it is tried again."""
    why: str = ""
    """The issuers' own words."""

    def and_one(self, now: float, why: str, retry_after_s: float | None, chance: Callable[[], float]) -> "Failures":
        """Count one more. The pause grows with the failures, and is never shorter than the issuer asked for."""
        pause = PAUSES_S[min(self.count, len(PAUSES_S) - 1)] * (0.9 + 0.2 * chance())
        if retry_after_s is not None:
            pause = max(pause, min(retry_after_s, LONGEST_PAUSE_S))
        return Failures(self.count + 1, now, now + pause, why)

"""What the page shows of the visitors: rates, shares and percentiles over the last seconds, and totals."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

TICK_S = 0.25
"""The time that a line of the visitors tells of."""
RATE_TICKS = round(2 / TICK_S)
LATENCY_TICKS = round(10 / TICK_S)
HISTORY_TICKS = round(60 / TICK_S)


@dataclass
class Tick:
    """What came of a quarter of a second: by backend how long each answer took, in ms, and failures by reason."""

    answers: dict[str, list[float]]
    failures: dict[str, int]

    def counts(self, names: Sequence[str]) -> list[int]:
        """How many answers of each backend, then how many failures: a column of the chart."""
        return [*(len(self.answers.get(name, ())) for name in names), sum(self.failures.values())]


@dataclass
class Figures:
    """Adds up ticks."""

    names: Sequence[str]
    ticks: deque[Tick] = field(default_factory=lambda: deque(maxlen=HISTORY_TICKS))
    answered: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    count: int = 0
    """How many ticks there were."""

    def add(self, tick: Tick) -> None:
        """Take what came of one more quarter of a second."""
        self.ticks.append(tick)
        self.count += 1
        for name, took in tick.answers.items():
            self.answered[name] += len(took)
        self.failed += sum(tick.failures.values())

    def columns(self, after: int = 0) -> list[list[int]]:
        """The chart's columns that came after so many ticks, the oldest first, as far as they are kept."""
        new = reversed(self._last(max(0, self.count - after)))
        return [tick.counts(self.names) for tick in new]

    def tell(self) -> dict[str, Any]:
        """The figures of now."""
        recent = self._last(RATE_TICKS)
        now = Counter({name: sum(len(tick.answers.get(name, ())) for tick in recent) for name in self.names})
        seconds = len(recent) * TICK_S
        took = sorted(ms for tick in self._last(LATENCY_TICKS) for all_ in tick.answers.values() for ms in all_)
        return {
            "rate": round(now.total() / seconds, 1) if seconds else 0.0,
            "p50_ms": percentile(took, 50),
            "p99_ms": percentile(took, 99),
            "answered": self.answered.total(),
            "failed": self.failed,
            "backends": {
                name: {
                    "answered": self.answered[name],
                    "rate": round(now[name] / seconds, 1) if seconds else 0.0,
                    "share": round(now[name] / now.total(), 4) if now.total() else 0.0,
                    "p50_ms": percentile(self._took(name), 50),
                }
                for name in self.names
            },
        }

    def _took(self, name: str) -> list[float]:
        return sorted(ms for tick in self._last(LATENCY_TICKS) for ms in tick.answers.get(name, ()))

    def _last(self, count: int) -> list[Tick]:
        return list(islice(reversed(self.ticks), count))


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The smallest value that so many percent do not exceed (nearest rank); None of nothing."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None

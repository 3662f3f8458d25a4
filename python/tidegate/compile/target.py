"""Where requests and connections go: one upstream or some of its endpoints, or several by weight."""

from collections.abc import Iterable
from typing import Any

from tidegate.config.labels import Led
from tidegate.config.target import Target

Labels = tuple[tuple[str, str], ...]


class Upstreams:
    """Where the upstreams of a configuration stand in its snapshot, and the subsets that were asked of each so far."""

    def __init__(self, names: Iterable[str]) -> None:
        self._indices = {name: index for index, name in enumerate(names)}
        self._subsets: dict[str, dict[tuple[Labels, int | None], int]] = {}

    def find(self, name: str, led: Led) -> tuple[int, int]:
        """Give the upstream's index, and the number of its subset: from 1, or 0 for all its endpoints."""
        if not led.labels:
            return self._indices[name], 0
        fallback = None
        if led.fallback is not None and led.fallback.labels:
            fallback = self._number(name, tuple(sorted(led.fallback.labels.items())), None)
        elif led.fallback is not None and led.fallback.to == "any":
            fallback = 0
        return self._indices[name], self._number(name, tuple(sorted(led.labels.items())), fallback)

    def subsets(self, name: str) -> list[dict[str, Any]]:
        """Write the subsets of an upstream that were found so far."""
        asked = self._subsets.get(name, {})
        return [{"labels": [list(label) for label in labels], "fallback": fallback} for labels, fallback in asked]

    def _number(self, name: str, labels: Labels, fallback: int | None) -> int:
        asked = self._subsets.setdefault(name, {})
        return asked.setdefault((labels, fallback), len(asked) + 1)


def compile_upstreams(target: Target, upstreams: Upstreams) -> dict[str, Any]:
    """Write one upstream, or several with their weights; they are named by index."""
    if target.split is None:
        index, subset = upstreams.find(target.upstream or "", target)
        return {"part": {"upstream": index, "subset": subset}} if subset else {"upstream": index}
    shares = []
    for share in target.split:
        index, subset = upstreams.find(share.upstream, share)
        shares.append({"upstream": index, "weight": share.weight, **({"subset": subset} if subset else {})})
    return {"split": {"shares": shares, "key": None if target.key is None else target.key.compiled}}

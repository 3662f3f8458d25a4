"""Where requests and connections go: one upstream, or several by weight."""

from collections.abc import Mapping
from typing import Any

from tidegate.config.target import Target


def compile_upstreams(target: Target, upstreams: Mapping[str, int]) -> dict[str, Any]:
    """Write one upstream, or several with their weights; they are named by index."""
    if target.split is None:
        return {"upstream": upstreams[target.upstream or ""]}
    shares = [{"upstream": upstreams[share.upstream], "weight": share.weight} for share in target.split]
    return {"split": {"shares": shares, "key": None if target.key is None else target.key.compiled}}

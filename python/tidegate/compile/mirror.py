"""Copies of requests, as `crates/core/src/snapshot/document/route.rs` reads them."""

from typing import Any

from tidegate.compile.target import Upstreams
from tidegate.config.labels import Led
from tidegate.config.mirror import Mirror


def compile_mirror(mirror: Mirror | None, upstreams: Upstreams) -> dict[str, Any] | None:
    """Write where copies go; the upstream is named by index."""
    if mirror is None:
        return None
    upstream, _ = upstreams.find(mirror.to, Led())
    return {
        "to": upstream,
        "share": mirror.share.amount,
        "body": mirror.body.bytes,
        "most": mirror.most,
        "timeout_ms": mirror.timeout.milliseconds,
    }

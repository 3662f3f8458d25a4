"""When requests are tried again, as `crates/core/src/snapshot/document/{route,upstream}.rs` read it."""

from typing import Any

from tidegate.config.hedge import Percentile
from tidegate.config.retry import Retry, RetryBudget


def compile_retry(retry: Retry | None) -> dict[str, Any] | None:
    """Write the policy of a route."""
    if retry is None:
        return None
    written: dict[str, Any] = {
        "attempts": retry.attempts,
        "reset": "reset" in retry.on,
        "refused": "refused" in retry.on,
        "statuses": [list(each) for each in retry.statuses],
        "per_try_ms": 0 if retry.per_try is None else retry.per_try.milliseconds,
        "body": retry.body.bytes,
        "base_ms": retry.back_off.base.milliseconds,
        "most_ms": retry.back_off.most.milliseconds,
    }
    if retry.hedge is not None:
        after = retry.hedge.after
        key = {"permille": after.permille} if isinstance(after, Percentile) else {"ms": after.milliseconds}
        written["hedge"] = {"after": key, "least_ms": retry.hedge.least.milliseconds}
    return written


def compile_budget(budget: RetryBudget) -> dict[str, Any]:
    """Write how much an upstream can bear of it."""
    return {"share": budget.share.amount, "least": budget.least}

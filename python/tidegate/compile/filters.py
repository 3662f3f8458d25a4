"""Filters of the snapshot, as `document/filters.rs` of the core reads them; what is not asked for is left out."""

from collections.abc import Iterable
from typing import Any

from tidegate.config.filters.error_pages import ErrorPage
from tidegate.config.filters.fault import Fault
from tidegate.config.filters.filter import Filter
from tidegate.config.filters.headers import HeaderEdits
from tidegate.config.filters.rewrite import Rewrite


def compile_filter(each: Filter) -> dict[str, Any]:
    """Write a filter: a mapping with one key."""
    return {each.kind: _compile(each)}


def _compile(each: Filter) -> Any:
    match getattr(each, each.kind):
        case HeaderEdits() as edits:
            return compile_edits(edits)
        case Rewrite() as rewrite:
            return compile_rewrite(rewrite)
    if each.error_pages is not None:
        return compile_pages(each.error_pages)
    if (networks := each.deny or each.allow) is not None:
        return [str(network) for network in networks]
    if each.request_id is not None:
        source = None if each.request_id.from_ is None else each.request_id.from_.compiled
        return {"field": each.request_id.field, "from": source}
    if each.body_limit is not None:
        return {"size": each.body_limit.size.bytes}
    if each.fault is not None:
        return compile_fault(each.fault)
    if each.buffer_request is not None:
        return {"size": each.buffer_request.size.bytes}
    raise AssertionError("the model lets no filter be empty")


def compile_fault(fault: Fault) -> dict[str, Any]:
    """Write what is done on purpose, to how many of which requests."""
    return {
        "delay_ms": None if fault.delay is None else fault.delay.milliseconds,
        "abort": fault.abort,
        "share": fault.share.amount,
        "when": None if fault.when is None else fault.when.compiled,
    }


def compile_pages(pages: Iterable[ErrorPage]) -> list[dict[str, Any]]:
    """Write pages, each with its text."""
    return [
        {
            "statuses": page.ranges,
            "kinds": page.kind,
            "endpoints": page.endpoints,
            "content_type": page.media_type,
            "body": page.page,
            "send": page.send,
        }
        for page in pages
    ]


def compile_edits(edits: HeaderEdits) -> dict[str, Any]:
    """Write the edits of a head."""
    keys = ("set", "add", "append")
    lines = {key: [[name, value.compiled] for name, value in getattr(edits, key).items()] for key in keys}
    return {key: names for key, names in (lines | {"remove": list(edits.remove)}).items() if names}


def compile_rewrite(rewrite: Rewrite) -> dict[str, Any]:
    """Write what is sent in place of what came."""
    regex = None if rewrite.regex is None else {"pattern": rewrite.regex.pattern, "with": rewrite.regex.with_}
    texts = {key: getattr(rewrite, key) for key in ("path", "query", "host")}
    keys = {
        "strip_prefix": rewrite.strip_prefix,
        "regex": regex,
        "add_prefix": rewrite.add_prefix,
        **{key: None if text is None else text.compiled for key, text in texts.items()},
    }
    return {key: value for key, value in keys.items() if value is not None}

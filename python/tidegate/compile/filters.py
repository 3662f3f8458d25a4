"""Filters of the snapshot, as `crates/core/src/snapshot/filters.rs` reads them; what is not asked for is left out."""

from typing import Any

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
        case tuple() as networks:
            return [str(network) for network in networks]
    if each.request_id is not None:
        return {"field": each.request_id.field}
    if each.body_limit is not None:
        return {"size": each.body_limit.size.bytes}
    if each.buffer_request is not None:
        return {"size": each.buffer_request.size.bytes}
    raise AssertionError("the model lets no filter be empty")


def compile_edits(edits: HeaderEdits) -> dict[str, Any]:
    """Write the edits of a head."""
    lines = {key: [[name, value] for name, value in getattr(edits, key).items()] for key in ("set", "add", "append")}
    return {key: names for key, names in (lines | {"remove": list(edits.remove)}).items() if names}


def compile_rewrite(rewrite: Rewrite) -> dict[str, Any]:
    """Write what is sent in place of what came."""
    regex = None if rewrite.regex is None else {"pattern": rewrite.regex.pattern, "with": rewrite.regex.with_}
    keys = {key: getattr(rewrite, key) for key in ("strip_prefix", "add_prefix", "path", "query", "host")}
    return {key: value for key, value in (keys | {"regex": regex}).items() if value is not None}

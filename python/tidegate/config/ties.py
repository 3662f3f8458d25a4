"""Routes that are equally specific and can both match: nothing would say which one wins. The order is the core's."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tidegate.config.addresses import Network
from tidegate.config.match import Match, PathMatch
from tidegate.config.route import Route

Rank = tuple[Any, ...]
Standing = tuple[int, Route, frozenset[str]]


def ties(listeners: Iterable[str], routes: Sequence[Route | None]) -> Iterator[tuple[int, int, str]]:
    """Find routes that tie with one before them, on one listener: both indices, and a sentence."""
    everywhere = frozenset(listeners)
    ranks: dict[Rank, list[Standing]] = {}
    for index, route in enumerate(routes):
        if route is not None:
            where = everywhere if route.listeners is None else frozenset(route.listeners)
            ranks.setdefault(_rank(route), []).append((index, route, where))
    found = [tie for equals in ranks.values() if len(equals) > 1 for tie in _ties_among(equals)]
    for index, first, other in sorted(found, key=lambda tie: tie[:2]):
        named = f"`{other.name or f'routes[{first}]'}`"
        yield index, first, f"this route and {named} match equally well, and nothing says which one wins"


def _ties_among(equals: Sequence[Standing]) -> Iterator[tuple[int, int, Route]]:
    for group in _told_apart(equals):
        alone: list[Standing] = []
        for index, route, where in group:
            for first, other, there in alone:
                if (where & there or where == there) and _can_both_match(route.match, other.match):
                    yield index, first, other
                    break
            else:
                alone.append((index, route, where))


def _told_apart(equals: Sequence[Standing]) -> Iterator[Sequence[Standing]]:
    """Split by the texts of a header or query term that all of them ask for: thousands of tenants that a header tells
    apart are not compared in pairs."""
    asked = [_texts(route.match) for _, route, _ in equals]
    for name in asked[0]:
        groups: dict[str | None, list[Standing]] = {}
        for standing, texts in zip(equals, asked, strict=True):
            groups.setdefault(texts.get(name), []).append(standing)
        if None not in groups and len(groups) > 1:
            for group in groups.values():
                yield from _told_apart(group)
            return
    yield equals


def _texts(match: Match) -> dict[tuple[str, str], str]:
    """What each header and query term must say."""
    headers = {("header", name): text for name, text in match.headers.items()}
    return headers | {("query", name): text for name, text in match.query.items()}


def _rank(route: Route) -> Rank:
    """What makes two routes equally specific; the terms stand as `crates/core/src/route/conditions.rs` has them."""
    match = route.match
    conditions = (bool(match.methods), len(match.headers), len(match.query), bool(match.from_), match.when is not None)
    return (match.host, _rank_of_path(match.path), conditions, route.priority)


def _rank_of_path(path: PathMatch | None) -> tuple[str, str | int]:
    """The same path, or patterns of one length."""
    match path:
        case None:
            return ("none", "")
        case PathMatch(exact=str(exact)):
            return ("exact", exact)
        case PathMatch(regex=str(regex)):
            return ("regex", len(regex.encode()))
        case PathMatch(prefix=prefix):
            return ("prefix", (prefix or "").rstrip("/"))


def _can_both_match(one: Match, other: Match) -> bool:
    """Say whether a request could match both. What expressions say of each other nobody can tell."""
    if one.methods and other.methods and not set(one.methods) & set(other.methods):
        return False
    texts = _texts(other)
    if any(texts.get(name, text) != text for name, text in _texts(one).items()):
        return False
    if one.from_ and other.from_ and not _overlap(one.from_, other.from_):
        return False
    return _paths_can_both_match(one.path, other.path)


def _overlap(one: Iterable[Network], other: Sequence[Network]) -> bool:
    return any(_share_addresses(str(network), str(each)) for network in one for each in other)


def _share_addresses(one: str, other: str) -> bool:
    if "unix:" in (one, other):
        return one == other
    first, second = ipaddress.ip_network(one), ipaddress.ip_network(other)
    return first.version == second.version and first.overlaps(second)


def _paths_can_both_match(one: PathMatch | None, other: PathMatch | None) -> bool:
    """Say whether a path could match both; patterns are told apart by the plain letters that they begin with."""
    if one is None or other is None or one.regex is None or other.regex is None or one.regex == other.regex:
        return True
    first, second = _beginning(one.regex), _beginning(other.regex)
    if first is None or second is None:
        return True
    shared = min(len(first), len(second))
    return first[:shared] == second[:shared]


def _beginning(pattern: str) -> str | None:
    """Read the letters that every match begins with, or none where the pattern is not anchored or has alternatives."""
    if not pattern.startswith("^") or "|" in pattern:
        return None
    letters = re.match(r"\^((?:[A-Za-z0-9/_~-]|\\[./-])*)", pattern)
    text = letters[1] if letters else ""
    rest = pattern[1 + len(text) :]
    if rest[:1] in ("*", "?", "{") and text:  # the last letter may be missing
        text = text[:-2] if text[-2:-1] == "\\" else text[:-1]
    return text.replace("\\", "")

"""One part of a configuration: validated by itself, with what is wrong told at its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from tidegate.config.config import Config
from tidegate.config.inside import inside
from tidegate.config.model import Model
from tidegate.config.placed import mark
from tidegate.config.settings import Settings
from tidegate.config.tree import Key, Node, Source, Spot, follow, plain
from tidegate.config.variables import Unset
from tidegate.config.words import tell

Part = TypeVar("Part", bound=Model)


@dataclass
class Section:
    """A part of the configuration with the place that it came from."""

    source: Source
    key: Key | None
    node: Node
    data: Any

    def spot(self) -> Spot:
        """Where it begins."""
        return Spot(self.source, self.key, self.node, True)


def read_data(source: Source, node: Node, environment: Mapping[str, str] | None) -> Any:
    """Make plain data of a node, and tell the variables that are not set. Without an environment there are none."""
    unset: list[tuple[Node, Unset]] = []
    data = plain(node, environment, unset)
    for where, reason in unset:
        add_problem(Spot(source, None, where, True), reason.says, reason.hint)
    return data


def read_part(model: type[Part], section: Section, path: tuple[str | int, ...] = ()) -> Part | None:
    """Validate one part; what is wrong with it is told at its place, named as it is called at `path`."""
    try:
        part = model.model_validate(section.data, context={"folder": section.source.folder})
    except ValidationError as errors:
        found = errors.errors(include_url=False)
    else:
        mark(part, section.source, section.key, section.node)
        return part
    known_as = Config if model is Settings else model
    misspelt = {
        (*error["loc"][:-1], hint.split("`")[1])
        for error in found
        if error["type"] == "extra_forbidden" and (hint := tell(error, known_as, "").hint).startswith("did you mean")
    }
    for error in found:
        if error["type"] == "missing" and error["loc"] in misspelt:
            continue  # it is there, under the name that has just been told
        if error["type"] == "too_short" and error["input"]:
            continue  # there are entries, and what is wrong with them has been told
        spot = follow(section.source, section.key, section.node, (*error["loc"], *error.get("ctx", {}).get("at", ())))
        words = tell(error, known_as, name_of((*path, *error["loc"]), spot))
        at_key = words.at_key or error["loc"][-1:] == ("[key]",)
        add_problem(spot, words.says, words.hint, at_key=at_key, span=error.get("ctx", {}).get("span"))
    return None


def add_problem(
    spot: Spot, says: str, hint: str = "", *, at_key: bool = False, span: tuple[int, int] | None = None
) -> None:
    """Add a problem at a spot; `span` is start and width within the text there."""
    line, column, width = spot.at_key() if at_key else spot.at_value()
    if span is not None and spot.whole and spot.node is not None:
        line, column, width = inside(spot.source.lines, spot.node, *span) or (line, column, width)
    spot.source.problems.append(spot.source.problem(line, column, width, says, hint))


def name_of(path: tuple[str | int, ...], spot: Spot) -> str:
    """Name the key at fault as a person would: the last key of its path, with an index where it is one of a list."""
    shown = ""
    for step in path:
        shown = f"{shown}[{step}]" if isinstance(step, int) else step
    if spot.key is not None and not spot.whole and isinstance(path[-1], str):
        return f"`{spot.key[0]}`"
    return f"`{shown}`"

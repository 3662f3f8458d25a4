"""Models that know where they stand in a file, so that whoever tells of them later can tell it too."""

from collections.abc import Iterator
from typing import Any

from pydantic import PrivateAttr

from tidegate.config.model import Model
from tidegate.config.place import Place
from tidegate.config.tree import Key, Node, Source, follow


class Placed(Model):
    """A model that people are pointed at: a listener, a route, a filter, an upstream, an endpoint."""

    _place: Place | None = PrivateAttr(default=None)

    @property
    def place(self) -> Place | None:
        """Where it stands in the configuration, when it came from a file."""
        return self._place


def mark(part: Model, source: Source, key: Key | None, node: Node) -> None:
    """Tell a part that was read from a node, and all that stands in it, where it stands. Defaults stand nowhere."""
    if isinstance(part, Placed):
        part._place = follow(source, key, node, ()).place()
    for name in part.model_fields_set:
        for path, inner in _inside(name, getattr(part, name)):
            spot = follow(source, key, node, path)
            if spot.whole and spot.node is not None:
                mark(inner, source, spot.key, spot.node)


def _inside(name: str, value: Any) -> Iterator[tuple[tuple[str | int, ...], Placed]]:
    if isinstance(value, Placed):
        yield (name,), value
    elif isinstance(value, tuple):
        yield from (((name, index), each) for index, each in enumerate(value) if isinstance(each, Placed))

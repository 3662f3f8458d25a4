"""From files to a configuration, or to everything that is wrong with them."""

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from glob import glob, has_magic
from pathlib import Path

from tidegate.config.agreement import AGREED, disagreements
from tidegate.config.collector import without_collections
from tidegate.config.config import Config
from tidegate.config.hints import did_you_mean
from tidegate.config.listener import Listener
from tidegate.config.model import NAME, Model
from tidegate.config.part import Part, Section, add_problem, read_data, read_part
from tidegate.config.problem import Problem
from tidegate.config.python_file import PythonSource, read_python
from tidegate.config.route import Route
from tidegate.config.scalar import EMPTY, show
from tidegate.config.secret import Secret
from tidegate.config.settings import Settings
from tidegate.config.tree import Key, Node, Source, Spot, decode, entries, follow, parse, plain
from tidegate.config.upstream import Upstream
from tidegate.config.words import annotations_at, keys_of

MOST_BYTES = 64 * 2**20
"""No configuration file is longer; 10,000 hosts take about 1 MiB."""

SECTIONS = ("listeners", "routes", "upstreams")
"""The keys that an included file may have."""


@dataclass(frozen=True)
class Loaded:
    """What came of reading a configuration: the configuration, or all that is wrong with it."""

    source: str
    """Where it came from: the path as it was given."""
    config: Config | None
    """None when there are problems."""
    problems: tuple[Problem, ...] = ()
    files: tuple[Path, ...] = ()
    """Every file that was read, the included ones too."""
    took_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds by stage: `parse`, `validate`."""
    printed: str = ""
    """What a Python file printed while it was read."""


def load(path: str | Path, *, environment: Mapping[str, str] | None = None) -> Loaded:
    """Read a configuration file and what it includes. Every problem is told; nothing is raised for a wrong file."""
    return _load(str(path), None, os.environ if environment is None else environment)


def load_text(
    text: str, *, name: str = "tidegate.yaml", folder: Path = Path(), environment: Mapping[str, str] | None = None
) -> Loaded:
    """Read a configuration from text; `name` begins its problems, relative paths begin at `folder`."""
    return _load(str(folder / name), text, os.environ if environment is None else environment, name)


def _load(path: str, text: str | None, environment: Mapping[str, str], name: str | None = None) -> Loaded:
    with without_collections():
        reading = _Reading(environment)
        began = time.perf_counter()
        main = reading.read(Path(path), name or path, text)
        included = reading.include(main)
        parsed = time.perf_counter()
        config = reading.validate(main, included)
        took_s = {"parse": parsed - began, "validate": time.perf_counter() - parsed}
    problems = _in_order(reading)
    return Loaded(path, None if problems else config, problems, tuple(reading.files), took_s, reading.printed)


def _in_order(reading: "_Reading") -> tuple[Problem, ...]:
    """Put problems in the order of the files, and keep one of several at the same place."""
    order = {source.name: index for index, source in enumerate(reading.sources)}
    found: dict[tuple[int, int, int, str], Problem] = {}
    for source in reading.sources:
        for problem in source.problems:
            # All values of a Python file stand at one place, and the words tell them apart.
            words = problem.says if isinstance(source, PythonSource) else ""
            found.setdefault((order[source.name], problem.at.line, problem.at.column, words), problem)
    return tuple(found[at] for at in sorted(found))


@cache
def secret_keys() -> frozenset[str]:
    """Name every key that holds a secret, by walking the models."""

    def walk(model: type[Model], seen: set[type[Model]]) -> Iterator[str]:
        seen.add(model)
        for name, model_field in model.model_fields.items():
            for annotation in annotations_at(model, [name]):
                parts = [annotation, *annotations_at(model, [name, 0]), *annotations_at(model, [name, "x"])]
                if Secret in parts:
                    yield model_field.alias or name
                for part in parts:
                    if isinstance(part, type) and issubclass(part, Model) and part not in seen:
                        yield from walk(part, seen)

    return frozenset(walk(Config, set()))


class _Reading:
    """One reading of a configuration: the files, and the problems found so far (each with its file)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.sources: list[Source] = []
        self.files: list[Path] = []
        self.printed = ""

    # Files

    def read(self, path: Path, name: str, text: str | None = None) -> Source:
        """Read one file into its tree."""
        if text is None and path.suffix == ".py":
            return self._read_python(path, name)
        source = Source(name, path.parent.absolute(), text or "", secret_keys())
        self.sources.append(source)
        if text is None:
            self.files.append(path)
            try:
                with path.open("rb") as file:
                    content = file.read(MOST_BYTES + 1)
            except OSError as error:
                source.problems.append(source.problem(1, 1, 1, f"cannot be read: {error.strerror or error}"))
                return source
            if len(content) > MOST_BYTES:
                says = f"is longer than the {MOST_BYTES // 2**20} MiB that a configuration may have"
                source.problems.append(source.problem(1, 1, 1, says))
                return source
            decoded = decode(content)
            if not isinstance(decoded, str):
                line, column, says, hint = decoded
                source.text = content.decode(errors="replace")
                source.problems.append(source.problem(line, column, 1, says, hint))
                return source
            source.text = decoded
        parse(source)
        if source.root is not None and source.root[0] != "map":
            if source.root[1] is not None:
                line, column, width = Spot(source, None, source.root, True).at_value()
                says = "a configuration is a mapping, and this is none"
                source.problems.append(source.problem(line, column, width, says, "begin with `listeners:`"))
            source.root = None
        return source

    def _read_python(self, path: Path, name: str) -> Source:
        source = PythonSource(name, path.parent.absolute(), "", secret_keys())
        self.sources.append(source)
        modules, self.printed = read_python(source, path, self.environment)
        self.files += [path, *modules]
        return source

    def include(self, main: Source) -> list[Source]:
        """Read the files that the main one includes; what is wrong with the names is told at their place."""
        node = next((node for key, node in entries(main.root) if key[0] == "include"), None)
        if node is None:
            return []
        names = node[1] if node[0] == "list" else [node]
        found: list[Source] = []
        own = main.folder / Path(main.name).name
        taken: set[Path] = set()
        for item in names:
            pattern = plain(item, self.environment, [])
            if not isinstance(pattern, str):
                continue  # the model says so
            paths = sorted(glob(str(main.folder / pattern)))
            if not paths and not has_magic(pattern):
                add_problem(Spot(main, None, item, True), f"no file is named `{pattern}`", f"looked in {main.folder}")
            for path in map(Path, paths):
                if path in taken:
                    continue
                if path.is_dir():
                    if not has_magic(pattern):
                        spot = Spot(main, None, item, True)
                        add_problem(spot, f"{show(pattern)} is a folder, not a file", f"`{pattern or '.'}/*.yaml`")
                    continue
                if path == own:
                    if not has_magic(pattern):
                        add_problem(Spot(main, None, item, True), "a file cannot include itself")
                    continue
                taken.add(path)
                if path.suffix == ".py":
                    hint = "a Python file is the main one, or is imported by it"
                    add_problem(Spot(main, None, item, True), f"`{pattern}` names a Python file", hint)
                    continue
                shown = (
                    Path(main.name).parent / path.relative_to(main.folder) if path.is_relative_to(main.folder) else path
                )
                found.append(self.read(path, str(shown)))
        return found

    # Models

    def validate(self, main: Source, included: Sequence[Source]) -> Config | None:
        """Validate every part by itself, so that one that is wrong hides nothing of the others; then all together."""
        rest = {key[0]: (key, node) for key, node in entries(main.root) if key[0] not in SECTIONS}
        for source in included:
            for key, node in entries(source.root):
                if key[0] not in SECTIONS:
                    elsewhere = key[0] in keys_of([Config])
                    says = f"`{key[0]}` may stand in the main file only" if elsewhere else f"unknown key `{key[0]}`"
                    hint = "" if elsewhere else did_you_mean(key[0], SECTIONS)
                    add_problem(Spot(source, key, node, True), says, hint, at_key=True)
        whole = Section(main, None, main.root or ("map", [], 1, 1, 1, 1, None), {})
        whole.data = {name: read_data(main, node, self.environment) for name, (_, node) in rest.items()}
        settings = read_part(Settings, whole)
        if settings is not None:
            self.files += [each.file for each in settings.sets.values() if each.file is not None]
        sources = [main, *included]
        listeners = self.named(Listener, sources, "listeners")
        upstreams = self.named(Upstream, sources, "upstreams")
        route_sections = list(self.listed(sources))
        routes = [read_part(Route, section, ("routes", index)) for index, section in enumerate(route_sections)]
        self.agree(whole, settings, listeners, list(zip(route_sections, routes, strict=True)), upstreams)
        if settings is None or any(source.problems for source in self.sources):
            return None
        parts = {
            "listeners": {name: part for name, (_, part) in listeners.items()},
            "routes": tuple(routes),
            "upstreams": {name: part for name, (_, part) in upstreams.items()},
        }
        given = {name: getattr(settings, name) for name in settings.model_fields_set}
        return Config.model_validate(given | parts, context=AGREED)

    def named(
        self, model: type[Part], sources: Sequence[Source], section: str
    ) -> dict[str, tuple[Section, Part | None]]:
        """Validate a mapping of names, over all files; a name twice is an error."""
        parts: dict[str, tuple[Section, Part | None]] = {}
        for source, key, node in _sections(sources, section):
            if node[0] != "map":
                self.mistyped(source, key, node, "a mapping of names")
                continue
            for name, child in node[1]:
                spot = Spot(source, name, child, True)
                if name[0] in parts:
                    first = parts[name[0]][0].spot().place()
                    says = f"the name `{name[0]}` stands in `{section}` twice; the first is at {first}"
                    add_problem(spot, says, at_key=True)
                    continue
                if re.fullmatch(NAME, name[0]) is None:
                    says = f"`{name[0]}` is no name: at most 64 letters, digits, `_`, `.` and `-`"
                    add_problem(spot, says, at_key=True)
                part = Section(source, name, child, read_data(source, child, self.environment))
                parts[name[0]] = (part, read_part(model, part, (section, name[0])))
        return parts

    def listed(self, sources: Sequence[Source]) -> Iterator[Section]:
        """List the routes of all files."""
        for source, key, node in _sections(sources, "routes"):
            if node[0] != "list":
                self.mistyped(source, key, node, "a list, each entry after `- `")
                continue
            for child in node[1]:
                yield Section(source, None, child, read_data(source, child, self.environment))

    def mistyped(self, source: Source, key: Key, node: Node, wanted: str) -> None:
        """Tell that a section has the wrong shape."""
        data = plain(node, self.environment, [])
        spot = Spot(source, key, node, True)
        if data is EMPTY:
            add_problem(spot, f"`{key[0]}` has no value", "give it one, or delete the key", at_key=True)
        else:
            add_problem(spot, f"`{key[0]}` must be {wanted}, not {show(data)}")

    def agree(
        self,
        whole: Section,
        settings: Settings | None,
        listeners: Mapping[str, tuple[Section, Listener | None]],
        routes: Sequence[tuple[Section, Route | None]],
        upstreams: Mapping[str, tuple[Section, Upstream | None]],
    ) -> None:
        """Tell what no part can tell by itself."""

        def spot(path: tuple[str | int, ...]) -> Spot:
            match path:
                case ("listeners", str(name), *rest):
                    section = listeners[name][0]
                case ("upstreams", str(name), *rest):
                    section = upstreams[name][0]
                case ("routes", int(index), *rest):
                    section = routes[index][0]
                case _:
                    section, rest = whole, list(path)
            return follow(section.source, section.key, section.node, rest)

        found = disagreements(
            settings,
            {name: part for name, (_, part) in listeners.items()},
            [route for _, route in routes],
            {name: part for name, (_, part) in upstreams.items()},
        )
        for each in found:
            says = each.says
            if each.other is not None:
                other = spot(each.other)
                line, column, _ = other.at_value()
                says += f"; the first is at {other.source.place(line, column)}"
            add_problem(spot(each.path), says, each.hint, at_key=each.at_key, span=each.span)


def _sections(sources: Sequence[Source], section: str) -> Iterator[tuple[Source, Key, Node]]:
    for source in sources:
        for key, node in entries(source.root):
            if key[0] == section:
                yield source, key, node

"""A list of endpoints as a provider has it: YAML or JSON, each entry as it would stand in the configuration."""

from dataclasses import dataclass
from pathlib import Path

from tidegate.config.part import Section, add_problem, read_data, read_part
from tidegate.config.problem import Problem
from tidegate.config.scalar import show
from tidegate.config.tree import Source, Spot, decode, parse
from tidegate.config.upstream import Endpoint


@dataclass(frozen=True, slots=True)
class EndpointList:
    """What came of reading a list: the endpoints, or what is wrong with it."""

    endpoints: tuple[Endpoint, ...] = ()
    problems: tuple[Problem, ...] = ()
    """Where there are any, there are no endpoints: half a list is none."""


def read_endpoint_list(content: bytes, name: str, folder: Path = Path("/")) -> EndpointList:
    """Read a list; `name` begins its problems, relative paths begin at `folder`.

    Variables are not replaced: what others write must not read our environment. `[]` is a list, and says that there is
    no endpoint; an empty text is none, since a file may have been cut to nothing before it is written.
    """
    source = Source(name, folder, "", frozenset())
    decoded = decode(content)
    if isinstance(decoded, str):
        source.text = decoded
        parse(source)
    else:
        line, column, says, hint = decoded
        source.text = content.decode(errors="replace")
        source.problems.append(source.problem(line, column, 1, says, hint))
    endpoints = () if source.problems else _endpoints(source)
    return EndpointList(() if source.problems else endpoints, tuple(source.problems))


def _endpoints(source: Source) -> tuple[Endpoint, ...]:
    root = source.root or ("plain", None, 1, 1, 1, 1, None)
    if root[0] != "list":
        spot, given = Spot(source, None, root, True), read_data(source, root, None)
        hint = "`[]` says that there is no endpoint"
        add_problem(spot, f"a list of endpoints is a list, and this is {show(given)}", hint)
        return ()
    found: dict[str, Endpoint] = {}
    for node in root[1] or ():
        endpoint = read_part(Endpoint, Section(source, None, node, read_data(source, node, None)), ("endpoint",))
        if endpoint is None:
            continue
        if str(endpoint.address) in found:
            says = f"the endpoint `{endpoint.address}` stands here twice"
            add_problem(Spot(source, None, node, True), says, "give it a `weight` instead")
        found[str(endpoint.address)] = endpoint
    return tuple(found.values())

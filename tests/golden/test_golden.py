"""Golden pairs: a configuration and its exact result in one file, the wrong ones as carefully as the right ones.

A file in `cases/` begins with the configuration. `---- file NAME` begins another file beside it. The result follows
`---- errors` (as `tidegate check` prints them), `---- snapshot` (what equals the defaults is left out) or `---- whole
snapshot`. `TIDEGATE_UPDATE_GOLDEN=1` writes the results anew; a person reads the diff.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tidegate.compile.resolved import Resolved
from tidegate.compile.snapshot import all_binds, compile_snapshot
from tidegate.config.config import Config
from tidegate.config.load import Loaded, load

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
ENVIRONMENT = {"PORT": "9000", "EMPTY": "", "NAME": "api", "TOKEN": "hunter2", "WEIGHT": "3"}
ENDPOINT: dict[str, Any] = {"draining": False, "zone": None, "distance": 0, "labels": [], "location": None}
RESOLVED = {
    "backend.internal:80": Resolved(("10.0.0.1:80", "10.0.0.2:80")),
    "gone.internal:80": Resolved(says="no such name"),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_configuration_has_exactly_its_result(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, kind, expected = write_files(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    loaded = load(case.name, environment=ENVIRONMENT)
    kind, result = outcome(loaded, kind)
    result = result.replace(str(tmp_path), "/here")
    if os.environ.get("TIDEGATE_UPDATE_GOLDEN"):
        shown = [
            files[case.name],
            *(f"---- file {name}\n{files[name]}" for name in list(files)[1:]),
            f"---- {kind}\n{result}",
        ]
        case.write_text("".join(shown))
        return
    assert result == expected


def write_files(case: Path, folder: Path) -> tuple[dict[str, str], str, str]:
    """Write the files of a case into a folder; gives them by name, and the kind of the result and its text."""
    parts = re.split(r"^---- (.*)\n", case.read_text(), flags=re.MULTILINE)
    files = {case.name: parts[0]}
    kind, expected = "", ""
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        if title.startswith("file "):
            files[title.removeprefix("file ")] = body
        else:
            kind, expected = title, body
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("⇥", "\t"))
    return files, kind, expected


def outcome(loaded: Loaded, kind: str) -> tuple[str, str]:
    """Show what came of a configuration."""
    if loaded.config is None:
        return "errors", "".join(f"{problem}\n" for problem in loaded.problems)
    snapshot = compiled(loaded.config, loaded.source)
    if kind == "whole snapshot":
        return kind, json.dumps(snapshot, indent=2, ensure_ascii=False) + "\n"
    return "snapshot", "".join(f"{line}\n" for line in lines_of(snapshot))


def compiled(config: Config, source: str) -> dict[str, Any]:
    """Compile with sockets, answers and numbers that are the same every time."""
    sockets = {str(bind.address): [2 * index, 2 * index + 1] for index, bind in enumerate(all_binds(config))}
    return compile_snapshot(
        config,
        number=1,
        source=source,
        since=1_700_000_000.0,
        threads=config.threads or 2,
        connections=10_000 if config.limits.connections == "auto" else config.limits.connections,
        sockets=sockets,
        resolved=RESOLVED,
        api_socket="/state/api.sock",
    )


def lines_of(snapshot: dict[str, Any]) -> list[str]:
    """Show a snapshot, a line for each part, less what equals the defaults."""
    upstreams = {"x": {"endpoints": ["127.0.0.1:1"]}}
    parts = {"listeners": {"x": {"bind": ":1"}}, "upstreams": upstreams, "routes": [{"to": "x"}]}
    config = Config.model_validate(parts)
    usual = compiled(config, snapshot["source"])
    lines = []
    top = less({name: value for name, value in snapshot.items() if not isinstance(value, list)}, usual)
    if top:
        lines.append(f"all      {json.dumps(top, ensure_ascii=False)}")
    for part in ("listeners", "routes", "upstreams", "sets"):
        for item in snapshot[part]:
            shown = {"name": item["name"], **less(item, next(iter(usual[part]), {}))}
            if "endpoints" in shown:
                shown["endpoints"] = [less(each, ENDPOINT) for each in shown["endpoints"]]
            lines.append(f"{part[:-1]:<8} {json.dumps(shown, ensure_ascii=False)}")
    return lines


def less(item: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is as usual."""
    shown = {}
    for name, value in item.items():
        if isinstance(value, dict) and isinstance(usual.get(name), dict) and name != "to":
            value = less(value, usual[name])
            if value:
                shown[name] = value
        elif value != usual.get(name, ...):
            shown[name] = value
    return shown

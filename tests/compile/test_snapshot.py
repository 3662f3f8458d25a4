"""The snapshot has exactly the fields that the core reads, and no secret."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tidegate.compile.resolved import Resolved
from tidegate.compile.snapshot import all_binds, compile_snapshot, names_to_resolve
from tidegate.config.config import Config
from tidegate.config.load import load_text

ROOT = Path(__file__).parent.parent.parent
EVERYTHING = (ROOT / "tests/golden/cases/everything.yaml").read_text().partition("---- ")[0]


def compiled(config: Config, **resolved: Resolved) -> dict[str, Any]:
    return compile_snapshot(
        config,
        number=1,
        source="tidegate.yaml",
        since=0.0,
        threads=2,
        connections=100,
        sockets={str(bind.address): [index] for index, bind in enumerate(all_binds(config))},
        resolved={name.replace("__", ":").replace("_", "."): answer for name, answer in resolved.items()},
        api_socket="/state/api.sock",
    )


def fields_of_the_core() -> dict[str, list[str]]:
    """Read the structs of the document as the core declares them."""
    files = sorted((ROOT / "crates/core/src/snapshot/document").glob("*.rs"))
    text = "\n".join(file.read_text() for file in files)
    structs = re.findall(r"^pub struct (\w+) \{(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    return {name: re.findall(r"^    pub (\w+):", body, re.MULTILINE) for name, body in structs}


@pytest.mark.parametrize(
    ("struct", "path"),
    [
        ("Document", []),
        ("AccessLog", ["access_log"]),
        ("ProgramLog", ["log"]),
        ("Listener", ["listeners", 0]),
        ("Bind", ["listeners", 0, "binds", 0]),
        ("Forwarded", ["listeners", 0, "forwarded"]),
        ("ListenerTimeouts", ["listeners", 0, "timeouts"]),
        ("ListenerLimits", ["listeners", 0, "limits"]),
        ("Listener", ["listeners", 1]),
        ("Route", ["routes", 0]),
        ("RouteTimeouts", ["routes", 0, "timeouts"]),
        ("Retry", ["routes", 0, "retry"]),
        ("Hedge", ["routes", 0, "retry", "hedge"]),
        ("Mirror", ["routes", 0, "mirror"]),
        ("Route", ["routes", 1]),
        ("Upstream", ["upstreams", 0]),
        ("Endpoint", ["upstreams", 0, "endpoints", 0]),
        ("Pool", ["upstreams", 0, "pool"]),
        ("Persist", ["upstreams", 0, "persist"]),
        ("Health", ["upstreams", 0, "health"]),
        ("Circuit", ["upstreams", 0, "circuit"]),
        ("Adaptive", ["upstreams", 0, "circuit", "adaptive"]),
        ("Outlier", ["upstreams", 0, "outlier"]),
        ("SuccessRate", ["upstreams", 0, "outlier", "success_rate"]),
        ("Latency", ["upstreams", 0, "outlier", "latency"]),
        ("HttpProbe", ["upstreams", 0, "health", "probe", "http"]),
        ("RetryBudget", ["upstreams", 0, "retry_budget"]),
        ("Upstream", ["upstreams", 1]),
    ],
)
def test_the_document_has_the_fields_of_the_core_in_its_order(struct: str, path: list[str | int]) -> None:
    config = load_text(EVERYTHING, environment={"TOKEN": "hunter2"}).config
    assert config is not None
    found: Any = compiled(config)
    for step in path:
        found = found[step]
    assert list(found) == fields_of_the_core()[struct]


def test_a_snapshot_is_json_and_holds_no_secret() -> None:
    config = load_text(EVERYTHING, environment={"TOKEN": "hunter2"}).config
    assert config is not None
    written = json.dumps(compiled(config), allow_nan=False)
    assert "hunter2" not in written
    assert "TOKEN" not in written


def test_a_name_is_an_endpoint_for_each_address_with_the_weight_of_its_entry() -> None:
    config = Config.model_validate(
        {"upstreams": {"a": {"endpoints": [{"address": "b:80", "weight": 3}, "c:80", "10.0.0.9:80", "b:81"]}}}
    )
    assert names_to_resolve(config) == ["b:80", "c:80", "b:81"]
    answers = {
        "b__80": Resolved(("10.0.0.1:80", "[::1]:80", "10.0.0.9:80")),
        "c__80": Resolved(says="no such name"),
        "b__81": Resolved(("10.0.0.1:81",)),
    }
    upstream = compiled(config, **answers)["upstreams"][0]
    assert [(each["address"], each["entry"], each["weight"]) for each in upstream["endpoints"]] == [
        ("10.0.0.1:80", "b:80", 3),
        ("[::1]:80", "b:80", 3),
        ("10.0.0.9:80", "b:80", 3),
        ("10.0.0.1:81", "b:81", 1),
    ]
    assert upstream["unresolved"] == [{"entry": "c:80", "says": "no such name", "is_list": False}]


def test_without_admin_there_is_no_admin_listener() -> None:
    config = Config.model_validate({"listeners": {"web": {"bind": ":8080"}}})
    assert [listener["name"] for listener in compiled(config)["listeners"]] == ["web"]

"""`/metrics` as Prometheus reads it: parsed by its own client library."""

from collections.abc import Callable

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics_families
from prometheus_client.parser import text_string_to_metric_families

from tests.peers.backend import Backend
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.waiting import until

Backends = Callable[..., Backend]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def with_admin(address: str) -> Config:
    """Everything to one backend, with an admin listener."""
    return {**upstream(address), "admin": {"bind": "127.0.0.1:0"}}


def scrape(running: Running) -> list[Metric]:
    """All metrics."""
    with running.connect("admin") as client:
        answer = client.ask(f"GET /metrics HTTP/1.1\r\nHost: {running.address('admin')}\r\n\r\n")
    assert answer.status == 200
    assert (answer.field("content-type") or "").startswith("text/plain; version=0.0.4")
    return list(text_string_to_metric_families(answer.body.decode()))


def scrape_open(running: Running, accept: str) -> list[Metric]:
    """All metrics as OpenMetrics, whose parser wants every rule of it kept, and the end."""
    with running.connect("admin") as client:
        fields = f"Host: {running.address('admin')}\r\nAccept: {accept}"
        answer = client.ask(f"GET /metrics HTTP/1.1\r\n{fields}\r\n\r\n")
    assert answer.status == 200
    assert answer.field("content-type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = open_metrics_families(answer.body.decode())  # type: ignore[no-untyped-call]  # this parser has no types
    return list(families)


def counters(metrics: list[Metric]) -> Samples:
    """Every number that may only rise."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for metric in metrics
        for sample in metric.samples
        if metric.type in ("counter", "histogram")
    }


def value(running: Running, name: str, **labels: str) -> float:
    """One sample; 0 where there is none."""
    samples = (sample for metric in scrape(running) for sample in metric.samples)
    return next((each.value for each in samples if each.name == name and each.labels == labels), 0)


def ask(running: Running, count: int) -> None:
    """Requests one after another on one connection."""
    with running.connect() as client:
        for _ in range(count):
            assert client.ask("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").status == 200


def test_prometheus_reads_every_metric_with_help_and_type(tidegate: Tidegate, backend: Backends) -> None:
    running = tidegate.run(with_admin(backend().address))
    ask(running, 5)
    for metric in scrape(running):
        assert metric.documentation, metric.name
        assert metric.type in ("counter", "gauge", "histogram"), metric.name
        assert metric.name.startswith(("tidegate_", "process_"))


def test_open_metrics_tell_the_same_by_the_rules_of_their_own(tidegate: Tidegate, backend: Backends) -> None:
    running = tidegate.run(with_admin(backend().address))
    ask(running, 5)
    until(lambda: value(running, "tidegate_requests_total", route="all", status="2xx") == 5)
    accept = (
        "application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    )  # as Prometheus asks
    as_text, as_open = scrape(running), scrape_open(running, accept)
    assert [(each.name, each.type, each.documentation) for each in as_open] == [
        (each.name, each.type, each.documentation) for each in as_text
    ]

    def series(metrics: list[Metric]) -> set[tuple[str, frozenset[tuple[str, str]]]]:
        bounds = {"1.0": "1", "5.0": "5", "10.0": "10", "30.0": "30", "60.0": "60"}
        return {
            (each.name, frozenset((label, bounds.get(text, text)) for label, text in each.labels.items()))
            for metric in metrics
            for each in metric.samples
        }

    assert series(as_open) == series(as_text)


@pytest.mark.parametrize(
    "accept", ["application/json", "text/html;q=0.1", "nonsense", "application/openmetrics-text;q=0"]
)
def test_whoever_wants_neither_form_gets_the_text(tidegate: Tidegate, backend: Backends, accept: str) -> None:
    running = tidegate.run(with_admin(backend().address))
    with running.connect("admin") as client:
        for method in ("GET", "HEAD"):
            fields = f"Host: {running.address('admin')}\r\nAccept: {accept}"
            client.send(f"{method} /metrics HTTP/1.1\r\n{fields}\r\n\r\n")
            answer = client.read_answer(head_only=method == "HEAD")
            assert (answer.status, answer.field("content-type")) == (200, "text/plain; version=0.0.4; charset=utf-8")
            assert (answer.body == b"") == (method == "HEAD")
            assert int(answer.field("content-length") or 0) > 1000


def test_requests_are_counted_by_route_endpoint_and_listener(tidegate: Tidegate, backend: Backends) -> None:
    address = backend().address
    running = tidegate.run(with_admin(address))
    ask(running, 7)
    endpoint = {"upstream": "api", "endpoint": address}
    until(lambda: value(running, "tidegate_requests_total", route="all", status="2xx") == 7)
    assert value(running, "tidegate_request_duration_seconds_count", route="all") == 7
    assert value(running, "tidegate_endpoint_first_byte_seconds_count", **endpoint) == 7
    assert value(running, "tidegate_endpoint_requests_total", **endpoint) == 7
    assert value(running, "tidegate_endpoint_connections_total", **endpoint) == 1
    assert value(running, "tidegate_endpoint_connections_reused_total", **endpoint) == 6
    assert value(running, "tidegate_connections_accepted_total", listener="web") == 1
    until(lambda: value(running, "tidegate_connections_open", listener="web") == 0)


def test_counters_only_rise_through_reloads(tidegate: Tidegate, backend: Backends) -> None:
    one, other = backend().address, backend().address
    running = tidegate.run(with_admin(one))
    ask(running, 3)
    before = counters(scrape(running))
    number = value(running, "tidegate_snapshot_number")
    for address in (other, one):
        running.reload(with_admin(address))
        ask(running, 3)
        after = counters(scrape(running))
        assert {
            series: (before[series], after.get(series)) for series in before if after.get(series, 0) < before[series]
        } == {}
        before = after
    assert value(running, "tidegate_snapshot_number") > number
    assert value(running, "tidegate_reloads_total", outcome="applied") >= 3

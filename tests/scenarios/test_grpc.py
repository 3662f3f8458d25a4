"""gRPC through Tidegate, with grpcio on both sides."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from tests.peers.frames import DATA, END_HEADERS, END_STREAM, HEADERS, FrameClient, frame, get
from tests.peers.tidegate import Config, Tidegate, upstream
from tests.peers.waiting import until

SERVICE = "test.Echo"


class Echo(grpc.GenericRpcHandler):
    """A service of bytes: each kind of call answers with what it was sent."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[str] = []
        self.cancelled = threading.Event()
        self.is_well = True

    def service(self, details: Any) -> Any:
        """Give the method that was called."""
        if details.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(self.check)
        name = details.method.removeprefix(f"/{SERVICE}/")
        self.calls.append(name)
        handlers: dict[str, Any] = {
            "Unary": grpc.unary_unary_rpc_method_handler(lambda asked, _: asked),
            "Down": grpc.unary_stream_rpc_method_handler(lambda asked, _: iter([asked] * 3)),
            "Up": grpc.stream_unary_rpc_method_handler(lambda asked, _: b"".join(asked)),
            "Both": grpc.stream_stream_rpc_method_handler(lambda asked, _: asked),
            "Name": grpc.unary_unary_rpc_method_handler(lambda *_: self.name.encode()),
            "Fail": grpc.unary_unary_rpc_method_handler(fail),
            "Wait": grpc.unary_unary_rpc_method_handler(self.wait),
        }
        return handlers.get(name)

    def check(self, asked: bytes, context: Any) -> bytes:
        """Answer a check of health: SERVING or not, for the whole server or its service."""
        if asked not in (b"", b"\x0a%c" % len(SERVICE) + SERVICE.encode()):
            context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return b"\x08\x01" if self.is_well else b"\x08\x02"

    def wait(self, _: bytes, context: Any) -> bytes:
        """Wait until the call is cancelled."""
        if not context.add_callback(self.cancelled.set):
            self.cancelled.set()  # it was over before
        self.cancelled.wait(20)
        return b""


def fail(_: bytes, context: Any) -> bytes:
    """Refuse the call."""
    context.set_trailing_metadata((("x-why", "because"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now")
    return b""


@contextmanager
def serving(name: str = "one") -> Iterator[tuple[str, Echo]]:
    """A server of grpcio."""
    echo = Echo(name)
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((echo,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", echo
    server.stop(0).wait()


def towards(*addresses: str, **more: Any) -> Config:
    """A configuration whose endpoints speak HTTP/2."""
    config = upstream(addresses, **more)
    config["upstreams"]["api"]["protocol"] = "http2"
    return config


@contextmanager
def calling(address: str) -> Iterator[Any]:
    """A channel of grpcio, with its own proxies and retries off."""
    options = [("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0)]
    with grpc.insecure_channel(address, options=options) as channel:
        yield channel


def test_all_four_kinds_of_calls_pass(tidegate: Tidegate) -> None:
    with serving() as (address, _), calling(tidegate.run(towards(address)).address()) as channel:
        large = bytes(range(256)) * 8000  # 2 MB
        assert channel.unary_unary(f"/{SERVICE}/Unary")(large, timeout=20) == large
        assert list(channel.unary_stream(f"/{SERVICE}/Down")(b"a", timeout=20)) == [b"a"] * 3
        assert channel.stream_unary(f"/{SERVICE}/Up")(iter([b"a", b"b", b"c"]), timeout=20) == b"abc"
        assert list(channel.stream_stream(f"/{SERVICE}/Both")(iter([b"a", b"b"]), timeout=20)) == [b"a", b"b"]


def test_messages_pass_both_ways_at_once(tidegate: Tidegate) -> None:
    with serving() as (address, _), calling(tidegate.run(towards(address)).address()) as channel:
        answered = threading.Semaphore(1)

        def ask() -> Iterator[bytes]:
            for number in range(20):
                assert answered.acquire(timeout=20)  # the next message leaves when the last one has come back
                yield b"%d" % number

        came = []
        for message in channel.stream_stream(f"/{SERVICE}/Both")(ask(), timeout=30):
            came.append(message)
            answered.release()
        assert came == [b"%d" % number for number in range(20)]


def test_a_status_and_its_trailers_pass(tidegate: Tidegate) -> None:
    with serving() as (address, _), calling(tidegate.run(towards(address)).address()) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(f"/{SERVICE}/Fail")(b"", timeout=20)
        told: Any = refused.value
        assert (told.code(), told.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "not now")
        assert ("x-why", "because") in told.trailing_metadata()
        with pytest.raises(grpc.RpcError) as unknown:
            channel.unary_unary(f"/{SERVICE}/Nothing")(b"", timeout=20)
        code: Any = unknown.value
        assert code.code() == grpc.StatusCode.UNIMPLEMENTED


def test_each_call_is_balanced(tidegate: Tidegate) -> None:
    with serving("one") as (one, _), serving("two") as (two, _):
        proxy = tidegate.run(towards(one, two) | {"threads": 1})
        with calling(proxy.address()) as channel:
            names = [channel.unary_unary(f"/{SERVICE}/Name")(b"", timeout=20) for _ in range(10)]
        assert (names.count(b"one"), names.count(b"two")) == (5, 5)


def test_a_failure_of_ours_is_told_as_grpc_tells_one(tidegate: Tidegate) -> None:
    config = towards("127.0.0.1:1")
    config["routes"][0]["match"] = {"path": f"/{SERVICE}/"}
    with calling(tidegate.run(config).address()) as channel:
        for path, code, says in [
            (f"/{SERVICE}/Unary", grpc.StatusCode.UNAVAILABLE, "connect_refused: "),
            ("/other.Service/Method", grpc.StatusCode.UNIMPLEMENTED, "no_route: "),
        ]:
            with pytest.raises(grpc.RpcError) as failed:
                channel.unary_unary(path)(b"", timeout=20)
            told: Any = failed.value
            assert told.code() == code
            assert told.details().startswith(says)


def test_a_deadline_of_the_client_ends_the_call_at_the_endpoint(tidegate: Tidegate) -> None:
    """grpcio's client would end the call itself, so one asks that does not look at the time."""
    with serving() as (address, echo), FrameClient(tidegate.run(towards(address)).address()) as client:
        fields = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "300m")]
        block = get(client.authority, f"/{SERVICE}/Wait", *fields, method="POST")
        client.send(frame(HEADERS, 1, block, END_HEADERS) + frame(DATA, 1, b"\0" * 5, END_STREAM))
        answer = client.read_until(HEADERS, 1)
        assert answer.payload[0] == 0x88  # :status 200
        assert answer.flags & END_STREAM
        assert echo.cancelled.wait(10)


def test_a_call_that_is_cancelled_is_cancelled_at_the_endpoint(tidegate: Tidegate) -> None:
    with serving() as (address, echo), calling(tidegate.run(towards(address)).address()) as channel:
        call = channel.unary_unary(f"/{SERVICE}/Wait").future(b"", timeout=20)
        until(lambda: "Wait" in echo.calls)
        call.cancel()
        assert echo.cancelled.wait(10)


@pytest.mark.parametrize("service", ["", SERVICE])
def test_checks_of_health_ask_as_grpc_does(tidegate: Tidegate, service: str) -> None:
    with serving("one") as (one, first), serving("two") as (two, _):
        config = towards(one, two)
        config["upstreams"]["api"]["health"] = {"grpc": service, "interval": "100ms", "rise": 1, "fall": 1}
        proxy = tidegate.run(config | {"log": {"level": "info"}})
        with calling(proxy.address()) as channel:
            first.is_well = False
            proxy.supervisor.wait_for_line(f"{one} is down: .* it says NOT_SERVING")
            names = {channel.unary_unary(f"/{SERVICE}/Name")(b"", timeout=20) for _ in range(10)}
            assert names == {b"two"}
            first.is_well = True
            while channel.unary_unary(f"/{SERVICE}/Name")(b"", timeout=20) != b"one":
                pass  # the test's own bound is the limit

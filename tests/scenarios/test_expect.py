"""`Expect: 100-continue`: the backend decides, unless we buffer the request; then we answer."""

from collections.abc import Callable

from tests.peers.backend import Backend, Connection
from tests.peers.messages import head, post
from tests.peers.tidegate import Config, Tidegate, upstream

Backends = Callable[..., Backend]

EXPECTS = head("POST", "/u", "Content-Length: 5", "Expect: 100-continue")


def buffering(address: str) -> Config:
    """Everything to one backend, requests as a whole."""
    config = upstream(address)
    config["routes"][0]["filters"] = [{"buffer_request": {"size": "1KiB"}}]
    return config


def test_the_backend_is_asked_at_once_and_its_100_is_passed_on(tidegate: Tidegate, backend: Backends) -> None:
    def agree(connection: Connection) -> None:
        while request := connection.read_head():
            assert not connection.unread  # nothing of the body comes before the 100
            connection.send("HTTP/1.1 100 Continue\r\nX-Note: come\r\n\r\n")
            connection.read_body(request)
            agreeing.saw(request)
            connection.answer()

    agreeing = backend(agree)
    with tidegate.run(upstream(agreeing.address)).connect() as client:
        for _ in range(2):
            interim = client.ask(EXPECTS)
            assert (interim.status, interim.field("x-note")) == (100, "come")
            assert client.ask(b"hello").status == 200
    assert [request.values("expect") for request in agreeing.requests] == [["100-continue"]] * 2
    assert [request.body for request in agreeing.requests] == [b"hello"] * 2


def test_the_backend_may_refuse_before_the_body_is_sent(tidegate: Tidegate, backend: Backends) -> None:
    def refuse(connection: Connection) -> None:
        assert connection.read_head()
        connection.answer("no\n", "401 Unauthorized")
        assert connection.read_head() is None

    refusing = backend(refuse)
    with tidegate.run(upstream(refusing.address)).connect() as client:
        answer = client.ask(EXPECTS)
        # Whether the body still comes is unknown, so that nothing may follow on the connection.
        assert (answer.status, answer.body, answer.field("connection")) == (401, b"no\n", "close")
        assert client.read_all() == b""


def test_a_client_that_does_not_wait_is_served(tidegate: Tidegate, backend: Backends) -> None:
    one = backend()
    with tidegate.run(upstream(one.address)).connect() as client:
        assert client.ask(EXPECTS + b"hello").status == 200
    assert one.requests[0].body == b"hello"


def test_with_buffer_request_we_answer_and_the_backend_gets_the_whole(tidegate: Tidegate, backend: Backends) -> None:
    one = backend()
    with tidegate.run(buffering(one.address)).connect() as client:
        assert client.ask(EXPECTS).status == 100
        client.send(b"he")
        assert one.accepted == 0
        assert client.ask(b"llo").status == 200
    assert (one.requests[0].values("expect"), one.requests[0].body) == ([], b"hello")


def test_with_buffer_request_no_100_is_sent_to_who_does_not_wait(tidegate: Tidegate, backend: Backends) -> None:
    with tidegate.run(buffering(backend().address)).connect() as client:
        assert client.ask(EXPECTS + b"hello").status == 200


def test_an_old_client_is_never_sent_a_100(tidegate: Tidegate, backend: Backends) -> None:
    request = head("POST", "/u", "Content-Length: 5", "Expect: 100-continue", version="1.0")
    with tidegate.run(buffering(backend().address)).connect() as client:
        client.send(request)
        assert client.ask(b"hello").status == 200


def test_with_buffer_request_too_much_is_refused_and_not_asked_for(tidegate: Tidegate, backend: Backends) -> None:
    one = backend()
    with tidegate.run(buffering(one.address)).connect() as client:
        answer = client.ask(head("POST", "/u", "Content-Length: 1025", "Expect: 100-continue"))
        assert (answer.status, b"body_too_large" in answer.body) == (413, True)
    with tidegate.run(buffering(one.address)).connect() as client:
        assert client.ask(post("/u", b"x" * 1024)).status == 200
    assert [len(request.body) for request in one.requests] == [1024]

"""A WebSocket server inside the test, of Python's `websockets`."""

import threading
from types import TracebackType
from typing import Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tests.peers.sockets import address_of, listen


class WebSocketServer:
    """Echoes messages; `close, please` makes it close with 4001. What ended each connection is in `ended`."""

    def __init__(self) -> None:
        self.ended: list[ConnectionClosed] = []
        self.changed = threading.Condition()
        sock = listen()
        self.address = address_of(sock)
        self._server = serve(self._echo, sock=sock, compression=None, max_size=None)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _echo(self, connection: ServerConnection) -> None:
        try:
            while (message := connection.recv()) != "close, please":
                connection.send(message)
            connection.close(4001, "as you like")
            connection.recv()
        except ConnectionClosed as closed:
            with self.changed:
                self.ended.append(closed)
                self.changed.notify_all()

    def wait_for_end(self, within_s: float = 10) -> ConnectionClosed:
        """Wait until a connection has ended; say how the last one did."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.ended, within_s), "no connection has ended"
            return self.ended[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()

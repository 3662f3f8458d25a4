"""gunicorn and uvicorn with the small applications of `python_apps.py`."""

import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.peers.needs import need
from tests.peers.process import Process
from tests.peers.sockets import address_of, listen

APPS = Path(__file__).with_name("python_apps.py").read_text()


class PythonServers:
    """Starts gunicorn and uvicorn, as often as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Process] = []
        (folder / "tidegate_test_app.py").write_text(APPS)

    def gunicorn(self, *options: str) -> str:
        """Start gunicorn with one synchronous worker; returns its address."""
        need("gunicorn")
        sock = listen()
        bind = ["--bind", f"fd://{sock.fileno()}", "--no-control-socket"]  # that socket would be in the home folder
        return self._start("gunicorn", [*bind, *options, "tidegate_test_app:wsgi"], sock)

    def uvicorn(self, *options: str) -> str:
        """Start uvicorn, which echoes WebSocket messages too; returns its address."""
        need("uvicorn")
        sock = listen()
        return self._start("uvicorn", ["--fd", str(sock.fileno()), *options, "tidegate_test_app:asgi"], sock)

    def _start(self, module: str, words: Iterable[str], sock: socket.socket) -> str:
        environment = {"PYTHONPATH": str(self.folder)}
        command = [sys.executable, "-m", module, *words]
        fd = sock.fileno()
        self.started.append(Process(command, environment=environment, descriptors=[fd], folder=self.folder))
        address = address_of(sock)
        sock.close()
        return address

    def end(self) -> None:
        """End all that were started."""
        for each in self.started:
            each.end()
            print(each)

"""The demo's backends as processes: each can be stopped, and started again on the port that it had."""

import signal
import socket
import subprocess
import sys
import threading

NAMES = ("tern", "gull", "heron")
PATIENCE_S = 5.0


class Backend:
    """One backend. Its port stays ours while it is stopped: a socket is bound there, and listens to nobody."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind(("127.0.0.1", 0))
        self.port: int = self._place.getsockname()[1]

    @property
    def address(self) -> str:
        """Where it listens, as the configuration has it."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process, if it runs."""
        process = self.process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> bool:
        """Start it, and wait until it listens; False if it ran already."""
        with self._lock:
            if self.pid is not None:
                return False
            words = [sys.executable, "-m", "tidegate.demo.backend", self.name, str(self.port)]
            pipe = subprocess.PIPE
            # It ends when our end of its stdin closes, so also when we are killed.
            self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
            assert self.process.stdout is not None
            if not self.process.stdout.readline():
                raise OSError(f"the backend {self.name} did not start: exit code {self.process.wait()}")
            return True

    def stop(self, number: signal.Signals = signal.SIGTERM) -> bool:
        """End its process, and wait for that; False if it had ended."""
        with self._lock:
            process = self.process
            if process is None or self.pid is None:
                return False
            process.send_signal(number)
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            return True

    def end(self) -> None:
        """End it for good."""
        self.stop()
        for pipe in (self.process.stdin, self.process.stdout) if self.process else ():
            if pipe is not None:
                pipe.close()
        self._place.close()

"""Starts the backends and Tidegate, says what to try, and ends all of it."""

import json
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

NAMES = ("tern", "gull", "heron")
ADDRESS, ADMIN = "127.0.0.1:8080", "127.0.0.1:9901"

TRY = """
Three backends ({names}) stand behind tidegate on http://{address}. Try, in another terminal:

  curl http://{address}/                      each answer comes from the next backend, and shows what arrived there
  curl http://{address}/healthz               answered by tidegate itself
  curl -i http://{address}/a/../b             refused: two readers could take this for two paths
  curl http://{admin}/metrics             what it counts
  kill {victim}                                 one backend ends: every request still gets an answer
  {python} -m tidegate status --socket {socket}

The configuration is {path}: change it, then
  {python} -m tidegate reload --socket {socket}

Ctrl-C ends all of it.
"""


def run() -> int:
    """Run until Ctrl-C or SIGTERM. Returns the exit code of Tidegate."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="tidegate-demo-") as name:
        backends: list[subprocess.Popen[str]] = []
        try:
            for each in NAMES:
                backends.append(start_backend(each))
            return serve(Path(name), backends)
        except KeyboardInterrupt:
            return 0
        finally:
            for backend in backends:
                backend.terminate()
                backend.wait()


def start_backend(name: str) -> subprocess.Popen[str]:
    """Start a backend; it ends when our end of its stdin closes, so also when we are killed."""
    words = [sys.executable, "-m", "tidegate.demo.backend", name]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, start_new_session=True)


def serve(folder: Path, backends: list[subprocess.Popen[str]]) -> int:
    """Run Tidegate in front of the backends."""
    endpoints = [f"127.0.0.1:{backend.stdout.readline().strip()}" for backend in backends if backend.stdout]
    path, socket = folder / "tidegate.yaml", folder / "control.sock"
    path.write_text(configuration(folder, endpoints))
    words = [sys.executable, "-m", "tidegate", "run", str(path), "--socket", str(socket)]
    # In a session of its own, so that Ctrl-C reaches it once, from us.
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            sys.stderr.write(line)
            if line.startswith("ready"):
                told = {"names": ", ".join(NAMES), "address": ADDRESS, "admin": ADMIN, "victim": backends[0].pid}
                print(TRY.format(**told, python=sys.executable, socket=socket, path=path), flush=True)
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        with suppress(KeyboardInterrupt):
            for line in process.stderr:
                sys.stderr.write(line)
    finally:
        try:
            process.wait(10)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()
    return process.wait()


def configuration(folder: Path, endpoints: list[str]) -> str:
    """The demo's configuration, as a person would write it."""
    return f"""\
access_log: {{to: {json.dumps(str(folder / "access.log"))}, format: json}}
admin: {{bind: "{ADMIN}"}}
state: {json.dumps(str(folder / "state"))}

listeners:
  web:
    bind: "{ADDRESS}"

routes:
  - match: {{path: "/healthz"}}
    respond: {{status: 200, body: "ok\\n"}}
  - name: all
    to: birds

upstreams:
  birds:
    endpoints: {json.dumps(endpoints)}
"""

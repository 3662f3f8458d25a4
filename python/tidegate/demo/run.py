"""Starts the backends and Tidegate, says what to try, and ends all of it."""

import json
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

NAMES = ("tern", "gull", "heron")
LISTEN, ADMIN = "127.0.0.1:8080", "127.0.0.1:9901"
READY = re.compile(r"^ready: .*\bweb=(?P<web>\S+) .*\badmin=(?P<admin>\S+) ")
MACHINE_REFUSES = 4

WORDS = """
Three backends ({names}) stand behind tidegate on http://{web}. Try, in another terminal:

{tries}

The configuration is {path}: change it, then
  {python} -m tidegate reload --socket {socket}

Ctrl-C ends all of it.
"""

TRIES = {
    "curl http://{web}/": "each answer comes from the next backend, and shows what arrived there",
    "curl http://{web}/healthz": "answered by tidegate itself",
    "curl -i --path-as-is http://{web}/a/../b": "refused: two readers could take this for two paths",
    "curl http://{admin}/metrics": "what it counts",
    "kill {victim}": "one backend ends: every request still gets an answer",
    "{python} -m tidegate status --socket {socket}": "",
}
"""What to try, and what it shows."""


def run(listen: str = LISTEN, admin: str = ADMIN) -> int:
    """Run until Ctrl-C, SIGTERM, or the terminal's end. Returns the exit code of Tidegate."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup(1) has it
            signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="tidegate-demo-") as name:
        backends: list[subprocess.Popen[str]] = []
        try:
            for each in NAMES:
                backends.append(start_backend(each))
            return serve(Path(name), backends, listen, admin)
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


def serve(folder: Path, backends: list[subprocess.Popen[str]], listen: str, admin: str) -> int:
    """Run Tidegate in front of the backends."""
    endpoints = [f"127.0.0.1:{backend.stdout.readline().strip()}" for backend in backends if backend.stdout]
    path, socket = folder / "tidegate.yaml", folder / "control.sock"
    path.write_text(configuration(folder, endpoints, listen, admin))
    words = [sys.executable, "-m", "tidegate", "run", str(path), "--socket", str(socket)]
    # In a session of its own, so that Ctrl-C reaches it once, from us.
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            sys.stderr.write(line)
            if ready := READY.match(line):
                told = {"python": sys.executable, "socket": socket, "path": path, "victim": backends[0].pid}
                print(what_to_try(**ready.groupdict(), **told), flush=True)
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
    code = process.wait()
    if code == MACHINE_REFUSES:
        print("Other addresses: tidegate demo --listen 127.0.0.1:0 --admin 127.0.0.1:0", file=sys.stderr)
    return code


def what_to_try(**told: object) -> str:
    """Say what to try, in two columns."""
    tries = {command.format(**told): shows for command, shows in TRIES.items()}
    width = max(len(command) for command, shows in tries.items() if shows)
    lines = [f"  {command:<{width}}  {shows}".rstrip() for command, shows in tries.items()]
    return WORDS.format(names=", ".join(NAMES), tries="\n".join(lines), **told)


def configuration(folder: Path, endpoints: list[str], listen: str, admin: str) -> str:
    """The demo's configuration, as a person would write it."""
    return f"""\
threads: 1  # so that you see backends take turns: each thread has its own
access_log: {{to: {json.dumps(str(folder / "access.log"))}, format: json}}
admin: {{bind: "{admin}"}}
state: {json.dumps(str(folder / "state"))}

listeners:
  web:
    bind: "{listen}"

routes:
  - match: {{path: "/healthz"}}
    respond: {{status: 200, body: "ok\\n"}}
  - name: all
    to: birds

upstreams:
  birds:
    endpoints: {json.dumps(endpoints)}
"""

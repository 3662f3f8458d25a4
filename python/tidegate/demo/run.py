"""Starts the backends, the page and Tidegate, says what to try, and ends all of it."""

import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tidegate.demo.backends import NAMES
from tidegate.demo.page import make_server
from tidegate.demo.stage import Stage

LISTEN, ADMIN = "127.0.0.1:8080", "127.0.0.1:9901"
READY = re.compile(r"^ready: .*\bweb=(?P<web>\S+) .*\badmin=(?P<admin>\S+) ")
MACHINE_REFUSES = 4

WORDS = """
Three backends ({names}) stand behind tidegate. Open

  http://{web}/

in a browser: stop one there, and see that no request fails. Or try, in another terminal:

{tries}

The configuration is {path}: change it, then
  {python} -m tidegate reload --socket {socket}

Ctrl-C ends all of it.
"""

TRIES = {
    "curl http://{web}/hello": "each answer is of the next backend, and shows what arrived",
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
        stage = Stage()
        try:
            stage.set_up()
            return serve(Path(name), stage, listen, admin)
        except KeyboardInterrupt:
            return 0
        finally:
            stage.end()


def serve(folder: Path, stage: Stage, listen: str, admin: str) -> int:
    """Run Tidegate in front of the backends and the page."""
    page = make_server(stage)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    path, socket = folder / "tidegate.yaml", folder / "control.sock"
    endpoints = [backend.address for backend in stage.backends.values()]
    page_at = f"127.0.0.1:{page.server_address[1]}"
    path.write_text(configuration(folder, endpoints, page_at, listen, admin))
    words = [sys.executable, "-m", "tidegate", "run", str(path), "--socket", str(socket)]
    # In a session of its own, so that Ctrl-C reaches it once, from us.
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            sys.stderr.write(line)
            if ready := READY.match(line):
                stage.open(**ready.groupdict())
                victim = stage.backends[NAMES[0]].pid
                told = {"python": sys.executable, "socket": socket, "path": path, "victim": victim}
                print(what_to_try(**ready.groupdict(), **told), flush=True)
    except KeyboardInterrupt:
        stage.close()  # first, since tidegate waits for streams and visitors
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


def configuration(folder: Path, endpoints: Sequence[str], page: str, listen: str, admin: str) -> str:
    """The demo's configuration, as a person would write it."""
    return f"""\
threads: 1  # so that you see backends take turns: each thread has its own
admin: {{bind: "{admin}"}}
state: {json.dumps(str(folder / "state"))}
drain: {{timeout: 2s}}  # the page's stream never ends by itself

listeners:
  web:
    bind: "{listen}"

routes:
  - match: {{path: "/healthz"}}
    respond: {{status: 200, body: "ok\\n"}}
  - name: page
    match: {{path: {{exact: "/"}}}}
    to: page
  - name: page-live  # what its stream and its buttons ask for
    match: {{path: "/demo/"}}
    to: page
  - name: all
    to: birds

upstreams:
  birds:
    endpoints: {json.dumps(list(endpoints))}
  page:
    endpoints: ["{page}"]
"""

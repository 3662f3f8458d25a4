"""The proxies, each in its best settings, on core 0, and the origin on core 1."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.cases import Case

PROXY_CORE, LOADER_CORE = "0", "1"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


@dataclass
class Peer:
    """A running proxy."""

    name: str
    address: str
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    worker: int = 0  # whose CPU and memory count

    def end(self) -> None:
        """End it."""
        for each in self.processes:
            each.terminate()
        for each in self.processes:
            try:
                each.wait(10)
            except subprocess.TimeoutExpired:
                each.kill()


def free_address() -> str:
    """An address that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


def start(words: list[str], core: str, output: Path) -> subprocess.Popen[str]:
    """Start a program on one core."""
    words = ["taskset", "-c", core, *words]
    with output.open("w") as file:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, text=True)


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[str], output: Path) -> None:
    """Look again and again, for a minute, until a starting program has got so far."""
    for _ in range(1200):
        if process.poll() is not None:
            raise RuntimeError(f"ended at once: {output.read_text()}")
        if holds():
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    process.terminate()
    raise RuntimeError(f"does not become ready: {output.read_text()}")


def wait_until_it_accepts(address: str, process: subprocess.Popen[str], output: Path) -> None:
    """Connect again and again until it works."""
    host, port = address.split(":")

    def accepts() -> bool:
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return True
        return False

    wait_until(accepts, process, output)


def program(name: str) -> str:
    """The path of a program that `make deps` installs."""
    found = shutil.which(name, path=PATH)
    if found is None:
        raise RuntimeError(f"{name} is missing: run `make deps`")
    return found


def child_of(pid: int) -> int:
    """The first child of a process: nginx's worker."""
    for _ in range(200):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if children:
            return int(children[0])
        os.sched_yield()
    raise RuntimeError(f"process {pid} has no worker")


NGINX = """\
{user} worker_processes 1; worker_rlimit_nofile 65536; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 32768; }}
http {{
    sendfile on; tcp_nopush on; keepalive_requests 1000000000; keepalive_timeout 3600s; client_max_body_size 0;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5; server_names_hash_max_size 65536; map_hash_max_size 65536;
    map_hash_bucket_size 128; client_body_buffer_size 16k; open_file_cache max=10;
    {body}
}}
"""
JSON_LOG = (
    'log_format j escape=json \'{"time":"$time_iso8601","client":"$remote_addr","method":"$request_method",'
    '"host":"$host","path":"$request_uri","status":$status,"bytes":$body_bytes_sent,"took":$request_time,'
    '"upstream":"$upstream_addr","user_agent":"$http_user_agent","request_id":"$request_id"}\';'
)


STREAM = """\
load_module {module}; {user} worker_processes 1; worker_rlimit_nofile 65536; daemon off; pid {folder}/nginx.pid;
error_log {folder}/error.log; events {{ worker_connections 32768; }}
stream {{ {body} }}
"""
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


def start_nginx(name: str, core: str, folder: Path, address: str, body: str, form: str = NGINX) -> Peer:
    """Start an nginx with one worker."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    user = "" if os.geteuid() else "user root;"
    config.write_text(form.format(folder=folder, user=user, body=body, module=STREAM_MODULE))
    output = folder / "output"
    process = start([program("nginx"), "-p", str(folder), "-c", str(config), "-e", "stderr"], core, output)
    wait_until_it_accepts(address, process, output)
    return Peer(name, address, [process], child_of(process.pid))


def origin(folder: Path) -> Peer:
    """What all proxies pass requests on to."""
    address = free_address()
    files = folder / "files"
    files.mkdir(parents=True)
    for name, size in (("100k", 100 * 1024), ("64m", 64 * 2**20)):
        (files / name).write_bytes(os.urandom(1024) * (size // 1024))
    thousand = "x" * 1024
    body = f"""access_log off; server {{ listen {address} backlog=4096; root {files};
        location = /1k {{ return 200 "{thousand}"; }} location = /post {{ return 200 "ok"; }} location / {{ }} }}"""
    return start_nginx("origin", LOADER_CORE, folder / "origin", address, body)


def nginx(case: Case, folder: Path, to: str) -> Peer:
    """nginx: upstream keep-alive, HTTP/1.1 to the origin, 64 KiB buffers for large bodies, posts unbuffered."""
    address = free_address()
    if case.layer4:
        if not STREAM_MODULE.exists():
            raise RuntimeError("nginx has no module for streams: run `make deps`")
        size = "64k" if case.large or case.splice else "16k"  # the default
        body = f"""server {{ listen {address} backlog=4096; proxy_pass {to}; proxy_buffer_size {size}; }}"""
        return start_nginx("nginx", PROXY_CORE, folder, address, body, STREAM)
    buffers = "proxy_buffers 16 64k; proxy_buffer_size 64k; proxy_busy_buffers_size 128k;" if case.large else ""
    log = f"{JSON_LOG} access_log {folder}/access.log j buffer=64k flush=1s;" if case.access_log else "access_log off;"
    filters = 'proxy_set_header X-Api "1"; add_header X-Frame-Options "DENY" always;' if case.filters else ""
    http2 = " http2" if case.streams else ""
    target = "http://origin"
    hosts = ""
    if case.hosts:
        names = "".join(f"host-{number}.example.com origin;" for number in range(1, case.hosts + 1))
        hosts, target = f"map $host $to {{ {names} }}", "http://$to"
    body = f"""{log} {hosts} upstream origin {{ server {to}; keepalive 256; keepalive_requests 1000000000; }}
        server {{ listen {address} backlog=4096{http2}; location / {{ proxy_pass {target}; proxy_http_version 1.1;
        proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme; proxy_max_temp_file_size 0; {filters} {buffers} }} }}"""
    return start_nginx("nginx", PROXY_CORE, folder, address, body)


def haproxy(case: Case, folder: Path, to: str) -> Peer:
    """HAProxy: one thread, connections to the origin always reused, splicing for the huge bodies."""
    folder.mkdir(parents=True, exist_ok=True)
    address = free_address()
    lines = ["global", "  nbthread 1", "  maxconn 12000", "  no strict-limits", "  log stdout format raw local0 info"]
    mode = "tcp" if case.layer4 else "http"
    lines += ["defaults", f"  mode {mode}", "  timeout connect 5s", "  timeout client 1h", "  timeout server 1h"]
    lines += [] if case.layer4 else ["  http-reuse always", "  option forwardfor"]
    lines += ["  option splice-response"] if case.splice else []
    lines += [
        "frontend web",
        f"  bind {address} backlog 4096{' proto h2' if case.streams else ''}",
        "  default_backend origin",
    ]
    if case.access_log:
        lines += ["  log global", f"  log-format {HAPROXY_LOG}"]
    if case.hosts:
        names = folder / "hosts.map"
        names.write_text("".join(f"host-{number}.example.com origin\n" for number in range(1, case.hosts + 1)))
        lines += [f"  use_backend %[req.hdr(host),lower,map_str({names})]"]
    if case.filters:
        lines += ["  http-request set-header X-Api 1", "  http-response set-header X-Frame-Options DENY"]
    lines += ["backend origin", f"  server one {to}"]
    config = folder / "haproxy.cfg"
    config.write_text("\n".join(lines) + "\n")
    output = folder / "output"
    process = start([program("haproxy"), "-db", "-f", str(config)], PROXY_CORE, output)
    wait_until_it_accepts(address, process, output)
    return Peer("haproxy", address, [process], process.pid)


HAPROXY_LOG = (
    r"""'{"time":"%t","client":"%ci","method":"%HM","path":"%HP","status":%ST,"bytes":%B,"took":%Ta,"""
    r""""upstream":"%si:%sp","frontend":"%f","backend":"%b"}'"""
)


def tidegate(case: Case, folder: Path, to: str) -> Peer:
    """Tidegate with one thread; metrics are always on."""
    names = [f"host-{number}.example.com" for number in range(1, case.hosts + 1)]
    filters = [
        {"request_headers": {"set": {"X-Api": "1"}}},
        {"response_headers": {"set": {"X-Frame-Options": "DENY"}}},
    ]
    rest = {"to": "origin", **({"filters": filters} if case.filters else {})}
    config = {
        "listeners": {"web": {"timeouts": {"idle": "1h"}}},
        "routes": [{"name": n, "match": {"host": n}, **rest} for n in names] or [{"name": "all", **rest}],
        "upstreams": {"origin": {"endpoints": [to]}},
        **({"listeners": {"web": {"tcp": {"to": "origin"}}}, "routes": []} if case.layer4 else {}),
        **({"limits": {"connections": case.connections + 2000}} if case.connections > 1000 else {}),
        **({"access_log": {"to": str(folder / "access.log")}} if case.access_log else {}),
    }
    return start_tidegate(folder, config)


def start_tidegate(folder: Path, config: dict[str, Any]) -> Peer:
    """Start a Tidegate with one thread, whose listener `web` gets a free address."""
    folder.mkdir(parents=True, exist_ok=True)
    address = free_address()
    web = {"bind": address, **config.get("listeners", {}).get("web", {})}
    config = {"threads": 1, "state": str(folder / "state"), **config, "listeners": {"web": web}}
    path, output = folder / "tidegate.yaml", folder / "output"
    path.write_text(json.dumps(config))
    words = [sys.executable, "-m", "tidegate", "run", str(path), "--socket", str(folder / "control.sock")]
    process = start(words, PROXY_CORE, output)
    # Its sockets accept before there is a worker.
    wait_until(lambda: "ready: " in output.read_text(), process, output)
    worker = json.loads((folder / "state" / "worker.json").read_text())["pid"]
    return Peer("tidegate", address, [process], worker)


def experiment(command: str) -> Callable[[Case, Path, str], Peer]:
    """A program under trial in Tidegate's place: `command` has {listen} and {upstream} in it."""

    def begin(case: Case, folder: Path, to: str) -> Peer:
        folder.mkdir(parents=True, exist_ok=True)
        address, output = free_address(), folder / "output"
        process = start(shlex.split(command.format(listen=address, upstream=to)), PROXY_CORE, output)
        wait_until_it_accepts(address, process, output)
        return Peer("tidegate", address, [process], process.pid)

    return begin


PEERS: dict[str, Callable[[Case, Path, str], Peer]] = {"tidegate": tidegate, "nginx": nginx, "haproxy": haproxy}


def versions() -> str:
    """What was measured, and where."""
    found = []
    for name, words in (("nginx", ["-v"]), ("haproxy", ["-v"]), ("wrk", ["-v"])):
        done = subprocess.run([program(name), *words], capture_output=True, text=True, check=False)
        found.append(f"{name} {(re.search(r'[0-9]+[.][0-9][^ ]*', done.stdout + done.stderr) or ['?'])[0].strip()}")
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    kernel = os.uname()
    return f"{', '.join(found)}; {kernel.sysname} {kernel.release}; {os.cpu_count()} × {cpu[1] if cpu else '?'}"

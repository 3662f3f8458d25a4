"""nginx as origin: answers with its name, serves files, takes posts."""

import os
import socket
from pathlib import Path

from tests.peers.needs import need
from tests.peers.process import Process
from tests.peers.sockets import address_of, listen

CONFIG = """\
{user} daemon off; worker_processes 1; error_log stderr; pid {folder}/nginx.pid; worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
    access_log off; sendfile on; keepalive_requests 1000000; keepalive_timeout {keepalive}; client_max_body_size 0;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; default_type text/plain;
    {servers}
}}
"""
SERVER = """\
    server {{
        listen {address} {listening};
        location / {{ return 200 "{name}\\n"; }}
        location /files/ {{ alias {folder}/files/; }}
        {more}
    }}
"""


class Origin:
    """A running nginx with one address or more; what it serves under `/files/` is in `files`."""

    def __init__(self, process: Process, sockets: list[socket.socket], files: Path) -> None:
        self.process = process
        self.sockets = sockets
        self.files = files
        self.addresses = [address_of(sock) for sock in sockets]

    @property
    def address(self) -> str:
        """The first of its addresses."""
        return self.addresses[0]

    def end(self) -> None:
        """End it; its addresses then refuse."""
        self.process.end()
        for sock in self.sockets:
            sock.close()


class Nginx:
    """Starts nginx, as often as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.program = need("nginx")
        self.folder = folder
        self.started: list[Origin] = []

    def start(self, endpoints: int = 1, *, more: str = "", listening: str = "", keepalive: str = "75s") -> Origin:
        """Start one with so many addresses; `more` are further lines for each `server`, `listening` further
        words of its `listen`. Names are origin-1, ..."""
        folder = self.folder / f"nginx-{len(self.started)}"
        (folder / "files").mkdir(parents=True)
        sockets = [listen() for _ in range(endpoints)]
        servers = "".join(
            SERVER.format(
                address=address_of(sock), name=f"origin-{number}", folder=folder, more=more, listening=listening
            )
            for number, sock in enumerate(sockets, 1)
        )
        config = folder / "nginx.conf"
        user = "" if os.geteuid() else "user root;"  # who reads the test's own folder
        config.write_text(CONFIG.format(user=user, folder=folder, servers=servers, keepalive=keepalive))
        process = Process(
            [self.program, "-p", folder, "-c", config, "-e", "stderr"],
            environment={"NGINX": "".join(f"{sock.fileno()};" for sock in sockets)},
            descriptors=[sock.fileno() for sock in sockets],
        )
        self.started.append(Origin(process, sockets, folder / "files"))
        return self.started[-1]

    def end(self) -> None:
        """End all that were started."""
        for each in self.started:
            each.end()
            print(each.process)

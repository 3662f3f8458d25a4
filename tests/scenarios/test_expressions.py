"""Expressions and named sets in a running instance: which route a request takes, before and after a reload."""

import os
import signal

from tests.peers.tidegate import Config, Running, Tidegate


def answers(when: str, **keys: object) -> Config:
    """A configuration that says `yes` where the expression holds, else `no`."""
    return {
        "listeners": {"web": {"bind": "127.0.0.1:0", "forwarded": {"from": ["127.0.0.1"]}}},
        "routes": [
            {"name": "yes", "match": {"when": when}, "respond": {"body": "yes"}},
            {"name": "no", "respond": {"body": "no"}},
        ],
        **keys,
    }


def ask(proxy: Running, target: str = "/", *fields: str) -> str:
    """Send one request, and read what is said."""
    with proxy.connect() as client:
        head = "\r\n".join([f"GET {target} HTTP/1.1", "Host: API.example.com:80", *fields, "", ""])
        return client.ask(head).body.decode()


def test_a_route_is_taken_where_its_expression_holds(tidegate: Tidegate) -> None:
    when = """
        request.headers["x-beta"] == "1"
        and (client.ip in ["10.0.0.0/8"] or request.cookies["staff"] != "")
        and request.query["q"].lower().matches("^[a-z ]+$")
        and not request.path.startswith(("/a b/", "/c/"))
        and request.host == "api.example.com" and listener == "web"
    """
    proxy = tidegate.run(answers(when))
    assert ask(proxy, "/?q=A+b", "X-Beta: 1", "X-Forwarded-For: 10.1.2.3") == "yes"
    assert ask(proxy, "/?q=A+b", "X-Beta: 1", "Cookie: a=b; staff=me") == "yes"
    assert ask(proxy, "/?q=A+b", "X-Beta: 1", "X-Forwarded-For: 192.0.2.1") == "no"
    assert ask(proxy, "/?q=A+b", "X-Beta: 1", "X-Beta: 1", "Cookie: staff=me") == "no"  # it is `1, 1`
    assert ask(proxy, "/?q=7", "X-Beta: 1", "Cookie: staff=me") == "no"
    assert ask(proxy, "/a%20b/?q=a", "X-Beta: 1", "Cookie: staff=me") == "no"
    assert ask(proxy) == "no"


def test_a_reload_reads_a_set_again_and_a_new_worker_has_what_is_served(tidegate: Tidegate) -> None:
    proxy = tidegate.prepare(answers('client.ip in sets["office"]', sets={"office": {"file": "office.txt"}}))
    office = proxy.folder / "office.txt"
    office.write_text("10.0.0.0/8\n")
    proxy.start()
    assert ask(proxy) == "no"
    office.write_text("127.0.0.0/8  # here\n")
    assert ask(proxy) == "no"
    proxy.supervisor.send(signal.SIGHUP)
    proxy.supervisor.wait_for_line("snapshot 2 is served")
    assert ask(proxy) == "yes"
    office.write_text("127.0.0.0/33\n")
    proxy.supervisor.send(signal.SIGHUP)
    proxy.supervisor.wait_for_line("`office` is a set of texts, since line 1 of .*office.txt is no network")
    assert ask(proxy) == "yes"
    os.kill(proxy.worker_pid, signal.SIGKILL)
    proxy.supervisor.wait_for_line("serves snapshot 2")
    assert ask(proxy) == "yes"

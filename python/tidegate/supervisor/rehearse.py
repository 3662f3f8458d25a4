"""Walks once through what may be needed later, so that nothing is imported after `ready`."""

import asyncio.base_subprocess
import concurrent.futures.thread
import difflib
import encodings.ascii
import encodings.latin_1
import encodings.utf_8  # noqa: F401
import json.decoder
import linecache
import pwd  # noqa: F401
import selectors  # noqa: F401
import signal  # noqa: F401
import stringprep  # noqa: F401
import subprocess  # noqa: F401
import traceback
from contextlib import suppress

from tidegate.config.endpoint_list import read_endpoint_list
from tidegate.config.load import load_text
from tidegate.discovery import fetch
from tidegate.supervisor.endpoints import NotChanged, read_address, read_change
from tidegate.supervisor.guard import Figures, Guard
from tidegate.supervisor.rolling import read_asked

WRONG = """\
listeners: {web: {bind: "127.0.0.1:x", limitz: {headers: many}, timeouts: {idle: 5}}}
routes: [{to: nobody}, {match: {path: {regex: "("}}, to: api, filters: [{nothing: {}}]}]
upstreams: {api: {balance: least, endpoints: ["127.0.0.1:1", 5]}, api: {}}
admin: {bind: [], token: plain}
log: {level: lowd}
state: [
"""


def rehearse() -> None:
    """Read a wrong configuration, and throw the problems away; format an error."""
    for text in (WRONG, WRONG.rpartition("state")[0], "listeners: {}\n"):
        [str(problem) for problem in load_text(text).problems]
    for wrong in ({"action": "explode"}, {"action": "add", "upstream": "api", "address": "x", "weight": -1}):
        with suppress(NotChanged):
            read_change(wrong)
    with suppress(NotChanged):
        read_address("10.0.0.1:x")
    [str(problem) for problem in read_endpoint_list(b'["10.0.0.1:x", {wait: 5}]', "rehearsed").problems]
    fetch.rehearse()
    with suppress(NotChanged):
        read_asked({"action": "begin"})
    Guard.read("error_rate < 1% and p99 < 2 * baseline").broken_by(Figures(0, 1, {1: 1}), Figures(1, 0, {1: 1}))
    try:
        raise ValueError("a rehearsal")
    except ValueError as error:
        traceback.format_exception(error)
    _ = (asyncio.base_subprocess, concurrent.futures.thread, difflib, json.decoder, linecache)

"""Chromium without a window, driven over its DevTools protocol: a page as a person has it, with keys and pictures."""

import itertools
import json
import os
import time
from base64 import b64decode
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

from tests.peers.needs import need
from tests.peers.process import Process

OPTIONS = [
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing beyond loopback
    "--hide-scrollbars",
    "about:blank",
]
KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " "), "ArrowRight": (39, "")}
"""Keys that can be pressed: code and text."""


class Browser:
    """One browser with one page. All that the page complains about is in `complaints`."""

    def __init__(self, folder: Path, *, width: int = 1200, height: int = 900) -> None:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []  # as root it has none
        size = f"--window-size={width},{height}"
        self.url = "about:blank"
        self.complaints: list[str] = []
        self._numbers = itertools.count(1)
        self._session = ""
        with ExitStack() as started:
            words = [need("chromium"), f"--user-data-dir={folder}", size, *root, *OPTIONS]
            process = started.enter_context(Process(words))
            line = process.wait_for_line("DevTools listening on ws://", within_s=60)
            self.talk = started.enter_context(connect(line.split()[-1], max_size=None, compression=None))
            self._started = started.pop_all()
        [page] = [each for each in self.call("Target.getTargets")["targetInfos"] if each["type"] == "page"]
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, within_s: float = 30, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; what the page complains about meanwhile is kept."""
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        self.talk.send(json.dumps({"id": number, "method": method, "params": parameters} | session))
        end = time.monotonic() + within_s
        while True:
            answer: dict[str, Any] = json.loads(self.talk.recv(timeout=max(0, end - time.monotonic())))
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._hear(answer)

    def _hear(self, event: dict[str, Any]) -> None:
        told = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(str(told["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if told["type"] in ("error", "warning", "assert"):
                self.complaints.append(str(told["args"]))
            case "Log.entryAdded" if told["entry"]["level"] in ("error", "warning"):
                self.complaints.append(f"{told['entry']['text']} ({told['entry'].get('url')})")

    def open(self, url: str) -> None:
        """Go to a page."""
        self.url = url
        assert "errorText" not in self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def ask(self, expression: str, within_s: float = 30) -> Any:
        """The value of an expression in the page, awaited if it is a promise."""
        answer = self.call(
            "Runtime.evaluate", within_s, expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str, within_s: float = 20) -> None:
        """Wait until an expression holds in the page; it is looked at whenever the page may be drawn."""
        look = f"""new Promise((resolve) => {{
            const end = performance.now() + {within_s * 1000};
            const look = () => ({expression}) ? resolve(true)
                : performance.now() > end ? resolve(false) : setTimeout(look, 20);
            look();
        }})"""
        held = self.ask(look, within_s + 10)
        assert held, f"{expression} did not come to hold within {within_s} s; the page has:\n{self.text()}"

    def text(self) -> str:
        """What a person can read in the page."""
        return str(self.ask("document.body.innerText"))

    def press(self, key: str, times: int = 1) -> None:
        """Press a key, as on a keyboard."""
        code, text = KEYS[key]
        for _ in range(times):
            for kind in ("keyDown", "keyUp"):
                typed: dict[str, Any] = {"text": text} if text and kind == "keyDown" else {}
                self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **typed)

    def click(self, selector: str) -> None:
        """Click in the middle of an element."""
        x, y = self.ask(f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: "center"}});
            const box = element.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def prefer(self, scheme: str) -> None:
        """Be a browser whose user prefers `light` or `dark`."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, *, width: int, height: int) -> bytes:
        """The top of the page as PNG, in a window of this size."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        return b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def end(self) -> None:
        """End it."""
        self._started.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

"""Makes `docs/demo.png`: the demo's page in Chromium, a minute in which one backend came back and another went.

Run it after changing the page: `.venv/bin/python -m tools.demo_page`. It needs chromium and the demo's own ports.
"""

import sys
import tempfile
import time
from pathlib import Path

from tests.peers.browser import Browser
from tests.peers.process import Process

TO = Path(__file__).parent.parent / "docs" / "demo.png"
URL = "http://127.0.0.1:8080/"
WIDTH, HEIGHT = 1100, 1106


def main() -> None:
    """Run the demo, press its buttons, and keep what is to be seen."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Process([sys.executable, "-m", "tidegate", "demo"]) as demo,
        Browser(Path(folder), width=WIDTH, height=HEIGHT) as browser,
    ):
        demo.wait_for_line("^Ctrl-C")
        browser.open(URL)
        browser.wait_for("parseInt(document.querySelector('#rate').textContent) > 90")
        browser.click("#ask")
        time.sleep(20)
        press(browser, "heron", "stopped, passed over")
        time.sleep(10)
        press(browser, "heron", "serving")
        time.sleep(12)
        press(browser, "gull", "stopped, passed over")
        time.sleep(6)
        browser.ask("document.activeElement.blur(), scrollTo(0, 0)")
        TO.write_bytes(browser.picture(width=WIDTH, height=HEIGHT))


def press(browser: Browser, name: str, becomes: str) -> None:
    """Press a backend's button, and wait until the page says what became of it."""
    browser.click(f"[data-backend={name}] button")
    browser.wait_for(f"document.querySelector('[data-backend={name}] .state').textContent === '{becomes}'")


if __name__ == "__main__":
    main()

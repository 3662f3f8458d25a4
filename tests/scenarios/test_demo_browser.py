"""The demo's page as a person has it: in Chromium, by keyboard and mouse, in light and dark."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.peers.browser import Browser
from tests.peers.process import Process
from tests.peers.tidegate import COMMAND

pytestmark = pytest.mark.needs("chromium")
NAMES = ("tern", "gull", "heron")
LEAST_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3, for text of common size."""

FAINT = """[...document.querySelectorAll("body *")].filter((element) => {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    return own && element.checkVisibility() && !["SCRIPT", "STYLE"].includes(element.tagName);
}).map((element) => {
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const luminance = (colour) => numbers(colour).slice(0, 3).map((each) => each / 255)
        .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
        .reduce((sum, each, index) => sum + each * [0.2126, 0.7152, 0.0722][index], 0);
    const opaque = (colour) => colour.startsWith("rgb(");
    let behind = element;
    while (!opaque(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
    const pair = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(luminance).sort();
    return [element.textContent, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
}).filter(([, contrast]) => contrast < %s)"""


@pytest.fixture
def demo() -> Iterator[Process]:
    """The demo, once it has said all."""
    with Process([*COMMAND, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]) as process:
        process.wait_for_line("^Ctrl-C ends all of it")
        yield process


@pytest.fixture
def browser(demo: Process, tmp_path: Path) -> Iterator[Browser]:
    """A browser that shows the page."""
    [url] = re.findall("^  (http://.+/)$", "\n".join(demo.lines), re.MULTILINE)
    with Browser(tmp_path / "browser") as browser:
        browser.open(url)
        browser.wait_for("document.querySelectorAll('[data-backend]').length === 3")
        yield browser


def share(name: str) -> str:
    """A backend's share in the page, as an expression."""
    return f"parseInt(document.querySelector('[data-backend={name}] .share').textContent)"


def state(name: str) -> str:
    """A backend's state in the page, as an expression."""
    return f"document.querySelector('[data-backend={name}] .state').textContent"


FAILED = "document.querySelector('#failed').textContent"
LINES = "document.querySelector('#lines').textContent"
FOCUS = "document.activeElement.getAttribute('aria-label')"


def tab_to(browser: Browser, label: str) -> None:
    """Press Tab until what is labelled so has the focus."""
    for _ in range(20):
        if browser.ask(FOCUS) == label:
            return
        browser.press("Tab")
    raise AssertionError(f"{label} cannot be reached by Tab")


def all_share(browser: Browser) -> None:
    """Wait until each backend answers a third, more or less."""
    for name in NAMES:
        browser.wait_for(f"{share(name)} > 25 && {share(name)} < 42", within_s=30)


def test_a_backend_is_stopped_and_started_and_no_request_fails(browser: Browser, tmp_path: Path) -> None:
    browser.wait_for("parseInt(document.querySelector('#rate').textContent) > 50")
    all_share(browser)
    tab_to(browser, "Stop gull")
    browser.press("Enter")
    browser.wait_for(f"{share('gull')} === 0 && {state('gull')} === 'stopped, passed over'")
    browser.wait_for(f"{share('tern')} > 40 && {share('heron')} > 40")
    assert "You stopped gull" in browser.ask(LINES)
    assert (
        "tidegate passes gull over for 10 s: the endpoint refused the connection. Its requests go to the others."
        in browser.ask(LINES)
    )
    assert browser.ask(FAILED) == "0"
    picture = browser.picture(width=1100, height=960)
    (tmp_path / "page.png").write_bytes(picture)
    assert picture.startswith(b"\x89PNG")
    assert browser.ask(FOCUS) == "Start gull"  # the focus stayed where it was
    browser.press(" ")
    all_share(browser)
    assert browser.ask(state("gull")) == "serving"
    assert "tidegate chooses gull again" in browser.ask(LINES)
    assert browser.ask(FAILED) == "0"
    assert browser.ask("parseFloat(document.querySelector('#p50').textContent)") > 0
    assert browser.complaints == []


def test_what_fails_is_told_with_the_reason_that_the_proxy_gives(browser: Browser) -> None:
    all_share(browser)
    for name in NAMES:
        browser.click(f"[data-backend={name}] button")
        browser.wait_for(f"{state(name)} === 'stopped, passed over'")
    browser.wait_for(f"{FAILED} !== '0'")
    browser.wait_for(f"{LINES}.includes('502 Bad Gateway, Proxy-Status: tidegate; error=')")
    assert browser.ask(LINES).count("go to the others") == len(NAMES) - 1
    assert browser.complaints == []


def test_a_backend_that_is_killed_is_seen_and_can_be_started(browser: Browser) -> None:
    all_share(browser)
    told = browser.ask("document.querySelector('[data-backend=heron]').textContent")
    os.kill(int(re.findall(r"process (\d+)", told)[0]), signal.SIGKILL)
    browser.wait_for(f"{LINES}.includes('heron has ended, and not by a button here.')")
    browser.click("[data-backend=heron] button")
    browser.wait_for(f"!{state('heron')}.startsWith('stopped')")
    all_share(browser)
    assert browser.complaints == []


def test_the_load_moves_by_keyboard_and_outlives_the_page(browser: Browser) -> None:
    browser.ask("document.querySelector('#load').focus()")
    browser.press("ArrowRight", times=5)
    browser.wait_for("document.querySelector('#asks').textContent === '150 requests/s'")
    browser.wait_for("parseInt(document.querySelector('#rate').textContent) > 145")
    browser.ask("location.reload()")
    browser.wait_for("document.querySelector('#asks')?.textContent === '150 requests/s'")
    assert browser.complaints == []


def test_a_request_is_shown_as_its_backend_saw_it(browser: Browser) -> None:
    browser.click("#ask")
    browser.wait_for("document.querySelector('#seen').textContent.includes('x-forwarded-for')")
    assert browser.ask("JSON.parse(document.querySelector('#seen').textContent).backend") in NAMES


def test_every_text_can_be_read_in_light_and_dark(browser: Browser) -> None:
    browser.click("[data-backend=gull] button")
    browser.wait_for(f"{state('gull')} === 'stopped, passed over'")
    brightness = {}
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        colour = browser.ask("getComputedStyle(document.body).backgroundColor")
        brightness[scheme] = sum(map(int, re.findall(r"\d+", colour)))
        assert browser.ask(FAINT % LEAST_CONTRAST) == []
    assert brightness["dark"] < 200 < 600 < brightness["light"]


def test_figures_that_stand_still_are_not_called_live(browser: Browser) -> None:
    live = "document.querySelector('#live').textContent"
    browser.wait_for(f"{live} === 'live'")
    visitors = one_that_runs("tidegate.demo.visitors", browser.url.split("/")[2])
    os.kill(visitors, signal.SIGSTOP)
    browser.wait_for(f"{live} === 'no news: the figures are old'")
    os.kill(visitors, signal.SIGCONT)
    browser.wait_for(f"{live} === 'live'")


def one_that_runs(*words: str) -> int:
    """The process whose command line has all these words."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            if set(words) <= set(path.read_text().split("\0")):
                return int(path.parent.name)
    raise AssertionError(f"nobody runs {words}")


def test_it_fits_a_narrow_screen(browser: Browser) -> None:
    browser.picture(width=390, height=800)
    browser.wait_for("innerWidth === 390")
    assert browser.ask("document.documentElement.scrollWidth") == 390


def test_the_page_says_that_the_demo_has_ended(browser: Browser, demo: Process) -> None:
    all_share(browser)
    demo.send(signal.SIGINT)
    assert demo.wait() == 0
    browser.wait_for("document.querySelector('#live').textContent === 'the demo has ended'")

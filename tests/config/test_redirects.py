"""Whatever a client sends, a redirect leads to the host that the configuration names, or to the request's own."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tidegate import Config, Listener, Redirect, Route
from tidegate.explain.ask import explain
from tidegate.explain.request import Request

PIECES = [
    *["https://", "http://", "https:", "//", "/", "new.example.com", ".", ":", ":80", "@", "me", "?", "#", "{{", "\\"],
    *["{request.uri}", "{request.path}", "{request.host}", "{request.query}", '{""}', '{"/"}', '{"https://"}'],
    *['{request.headers["x"]}', '{request.cookies["c"]}', '{request.query["q"]}', "{client.ip}"],
    *['{request.path + request.headers["x"]}', '{request.headers["x"].lower()}', "{request.host.lower()}"],
]
BEGINS = [
    "https://",
    "https://new.example.com",
    "https://{request.host}",
    "//",
    "//new.example.com",
    "/",
    "{request.uri}",
]
TEMPLATES = st.builds(str.__add__, st.sampled_from(BEGINS), st.lists(st.sampled_from(PIECES), max_size=4).map("".join))

SENT = [
    "x",
    "/",
    "//",
    "\\",
    "\\\\",
    "/\\",
    ":",
    ":80",
    "@",
    "me:me@",
    ".",
    "?",
    "#",
    "%2f",
    "%5c",
    "%09",
    "evil.example",
]
ATTACKS = st.lists(st.sampled_from(SENT), max_size=5).map("".join)

SLASH = r"[/\\]"


def authority(location: str) -> str | None:
    """What a browser takes for user, host and port (WHATWG, URL, section 4.4); none: it stays where it is."""
    bare = re.sub(r"[\t\r\n]", "", location.strip())
    found = re.match(rf"(?:https?:{SLASH}*|{SLASH}{SLASH}+)([^/\\?#]*)", bare, re.IGNORECASE)
    return found[1] if found else None


def location(config: Config, path: str, sent: str) -> str | None:
    """What the redirect says to a request with this path, and `sent` wherever else a client may choose."""
    url = f"http://good.example/{path}?{sent.replace('#', '')}&q={sent.replace('#', '')}"
    headers = (f"x: {sent}", f"cookie: c={sent}")
    answer = explain(config, "", Request("GET", url, headers))["answer"]
    found = re.search(r"^location: (.*)$", answer["head"], re.MULTILINE)
    return found[1].strip() if found else None


@settings(max_examples=600)
@given(TEMPLATES, ATTACKS, ATTACKS)
def test_no_client_chooses_the_host(template: str, path: str, sent: str) -> None:
    try:
        redirect = Redirect.model_validate(template)
    except ValidationError:
        return  # refused at check: no client ever sees it
    config = Config(listeners={"web": Listener(bind=":80")}, routes=[Route(redirect=redirect)])
    attacked, harmless = location(config, path.replace("#", ""), sent), location(config, "x", "x")
    if attacked is None or harmless is None:
        return  # the request is refused
    assert authority(attacked) == authority(harmless), f"{template}: {attacked}"

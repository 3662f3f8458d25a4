"""A secret's text appears nowhere: in no problem, no representation, no dump."""

from pathlib import Path

import pytest

from tidegate.config.config import Config
from tidegate.config.effective import effective
from tidegate.config.load import load_text, secret_keys
from tidegate.config.secret import Secret, SecretUnreadable

SECRET = "hunter2-and-more"


@pytest.mark.parametrize(
    "text",
    [
        f"admin: {{bind: ':1', token: {SECRET}}}",
        f"admin: {{bind: ':1', token: '{SECRET}'}}",
        f"admin:\n  bind: ':1'\n  token: {SECRET}\n  colour: green",
        f"admin:\n  token: |\n    {SECRET}\n    {SECRET}\n  bind: x",
        f"admin:\n  token: >-\n    {SECRET}\n\n    {SECRET}\nthread: 2",
        f'admin:\n  token: "{SECRET}\n    {SECRET}"\n  bind: x',
        f"admin: {{token: !secret {SECRET}, bind: x}}",
        f"admin: {{token: !secret 'raw:{SECRET}', bind: x}}",
        f"admin: {{token: [{SECRET}], bind: x}}",
        f"admin: {{token: {{value: {SECRET}}}, bind: x}}",
        f"admin: {{tokem: {SECRET}, bind: x}}",
        f"admin: {{Token: {SECRET}, bind: x}}",
        f"token: {SECRET}\nadmin: x",
        f"listeners: {{web: {{bind: ':1', token: {SECRET}}}}}",
        f"admin: {{bind: ':1', token: {SECRET}",
        f"admin:\n  token: {SECRET}\n bind: x",
        f"admin:\n\ttoken: {SECRET}",
        f"admin:\n  token: {SECRET}: more",
        f"admin: {{token: !secret {SECRET}, bind: '",
        f"admin: {{token: *{SECRET}, bind: x}}",
        f"'token: {SECRET}'",
        f"admin: {{api_token: {SECRET}}}",
        f"admin: {{token: @{SECRET}, bind: x}}",
        f"admin:\n  token: |\n    {SECRET}\n    @{SECRET}\n   x: {SECRET}\n",
        "admin: {token: '${SECRET}', bind: x}",
        "admin: {token: !secret '${SECRET}', bind: x}",
        f"admin: {{token: '${{UNSET:-{SECRET}}}', bind: x}}",
    ],
)
def test_a_secret_that_stands_in_the_file_is_an_error_that_does_not_repeat_it(text: str) -> None:
    loaded = load_text(text, environment={"SECRET": SECRET})
    assert loaded.config is None
    told = "\n".join(map(str, loaded.problems)) + repr(loaded)
    assert SECRET not in told
    assert "hunter2" not in told


def test_a_secret_is_shown_as_the_place_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET + "\n")
    loaded = load_text("admin: {bind: ':1', token: !secret file:token}", folder=tmp_path)
    assert loaded.config is not None
    assert loaded.config.admin is not None
    token = loaded.config.admin.token
    assert token == Secret("file", str(tmp_path / "token"))
    assert token.read() == SECRET
    for shown in (repr(loaded), str(token), effective(loaded.config), loaded.config.model_dump_json()):
        assert SECRET not in shown


def test_what_cannot_be_read_is_told_without_the_secret(tmp_path: Path) -> None:
    with pytest.raises(SecretUnreadable, match="cannot be read: No such file"):
        Secret("file", str(tmp_path / "gone")).read()
    with pytest.raises(SecretUnreadable, match="holds no secret"):
        Secret("env", "GONE").read({})
    (tmp_path / "bytes").write_bytes(b"hunter2\xff")
    with pytest.raises(SecretUnreadable, match="is not UTF-8 text$"):
        Secret("file", str(tmp_path / "bytes")).read()
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(SecretUnreadable, match="is empty"):
        Secret("file", str(tmp_path / "empty")).read()


def test_the_keys_that_hold_secrets_are_found_in_the_models() -> None:
    assert secret_keys() == {"secret", "token"}


def test_a_secret_in_python_is_its_place_too() -> None:
    config = Config.model_validate({"admin": {"bind": ":1", "token": Secret("env", "TOKEN")}})
    assert "TOKEN" in repr(config)

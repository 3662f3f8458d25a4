"""The house's own checks: they let pass what is right, and only that."""

from pathlib import Path

import pytest

from tools import imports
from tools.licences import is_allowed


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("MIT/Apache-2.0", True),
        ("GPL-3.0 OR MIT", True),
        ("GPL-3.0", False),
        ("MIT AND GPL-3.0", False),
        ("(MIT OR GPL-3.0) AND Unicode-3.0", True),
        ("(GPL-2.0 OR GPL-3.0) AND MIT", False),
        ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", True),
        ("no licence", False),
    ],
)
def test_a_licence_is_allowed_if_we_may_choose_one_of_the_list(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) == allowed


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two rooms, of which `up` imports `down` and says so."""
    package = tmp_path / "python" / "tidegate"
    for room, sign, code in (
        ("up", "Imports: down. Imported by: nobody.", "from tidegate.down.thing import x\n"),
        ("down", "Imports: nothing of ours. Imported by: up.", "x = 1\n"),
    ):
        (package / room).mkdir(parents=True)
        (package / room / "__init__.py").write_text(f'"""{room}.\n\n{sign}\n"""\n')
        (package / room / "thing.py").write_text(code)
    monkeypatch.setattr(imports, "HOUSE", tmp_path)
    monkeypatch.setattr(imports, "PACKAGE", package)
    return package


def test_rooms_that_keep_their_word_pass(house: Path) -> None:
    assert list(imports.python_faults()) == []


def test_an_import_that_no_sign_tells_is_found(house: Path) -> None:
    (house / "down" / "thing.py").write_text("def f() -> None:\n    import tidegate.up.thing\n")
    faults = list(imports.python_faults())
    assert "python/tidegate/down/thing.py:2: down imports up, which its docstring does not say" in faults
    assert "python/tidegate/down/thing.py:2: down imports up, whose docstring does not say so" in faults


def test_a_sign_that_promises_too_much_is_found(house: Path) -> None:
    (house / "up" / "thing.py").write_text("")
    assert list(imports.python_faults()) == [
        "python/tidegate/up/__init__.py: says that it imports down, but it does not"
    ]


def test_a_core_that_reads_the_clock_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sign = "//! May use: nothing. Must not know: anything.\n"
    for crate in imports.FORBIDDEN:
        (tmp_path / "crates" / crate / "src").mkdir(parents=True)
        (tmp_path / "crates" / crate / "src" / "lib.rs").write_text(sign)
    core = tmp_path / "crates" / "core" / "src" / "lib.rs"
    core.write_text(sign + "fn f() { std::time::Instant::now(); } // std::fs is only spoken of here\n")
    monkeypatch.setattr(imports, "HOUSE", tmp_path)
    [fault] = imports.rust_faults()
    assert fault.startswith("crates/core/src/lib.rs:2: core must not know a clock")

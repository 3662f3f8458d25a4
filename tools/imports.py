"""Holds the import rules of both languages, as the rooms themselves state them.

Python: the docstring of a room's `__init__.py` says `Imports: a, b. Imported by: c.`; both sentences must be true, and
each edge must stand in the docstrings of both its rooms. Rust: what the core and the engine must not name is listed
here, and each `lib.rs` and each top folder's `mod.rs` says `May use:` and `Must not know:`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

HOUSE = Path(__file__).parent.parent
PACKAGE = HOUSE / "python" / "tidegate"
NOBODY = {"nobody", "nothing", "nothing of ours"}
BOTTOM = "_engine"  # the compiled module: it imports nothing of ours, so only importers tell of it
TOP = "tidegate"  # the package's own first file

FORBIDDEN = {
    "core": {
        r"\btokio\b": "tokio",
        r"\b(TcpStream|TcpListener|UdpSocket|UnixStream|UnixListener)\b": "sockets",
        r"\bstd::os::(fd|unix)\b": "descriptors",
        r"\bInstant\b|\bSystemTime\b": "a clock (time comes in as a Moment)",
        r"\bstd::fs\b|\bFile::open\b": "files",
        r"\brand::|\bthread_rng\b|\bRandomState::new\b": "dice of its own (chance comes in as Dice)",
        r"\btidegate_engine\b": "the engine",
        r"\bpyo3\b": "Python",
    },
    "engine": {r"\bpyo3\b": "Python"},
    "python": {},
}
"""What a crate's code must not name, and what that is."""


def python_faults() -> Iterator[str]:
    """Compare each room's docstring with what its files import."""
    rooms = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))
    said = {room.name: read_docstring(room / "__init__.py") for room in rooms}
    for room in rooms:
        stated = said[room.name]
        if stated is None:
            yield f"{where(room / '__init__.py')}: the docstring must end with `Imports: …. Imported by: ….`"
            continue
        imports, imported_by = stated
        used: set[str] = set()
        for file in sorted(room.rglob("*.py")):
            for line, name in imported_rooms(file):
                if name == room.name:
                    continue
                used.add(name)
                if name not in imports:
                    yield f"{where(file)}:{line}: {room.name} imports {name}, which its docstring does not say"
                if (other := said.get(name)) and room.name not in other[1]:
                    yield f"{where(file)}:{line}: {room.name} imports {name}, whose docstring does not say so"
        yield from (
            f"{where(room / '__init__.py')}: says that it imports {name}, but it does not"
            for name in sorted(imports - used - {TOP})
        )
        yield from (
            f"{where(room / '__init__.py')}: says that {name} imports it, and {name}'s docstring does not"
            for name in sorted(imported_by)
            if (other := said.get(name)) and room.name not in other[0]
        )


def read_docstring(path: Path) -> tuple[set[str], set[str]] | None:
    """Take both lists out of a room's docstring."""
    text = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split())
    found = re.search(r"Imports: ([^.]+)\. Imported by: ([^.]+)\.$", text)
    if found is None:
        return None
    imports, importers = (set(re.split(r",\s*", each)) - NOBODY for each in found.groups())
    return imports, importers


def imported_rooms(path: Path) -> Iterator[tuple[int, str]]:
    """Each import of another room in a file, with its line; those for types only count as well."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif node.module:
            names = [node.module] if node.module != TOP else [f"{TOP}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == TOP and len(parts) > 1 and ((PACKAGE / parts[1]).is_dir() or parts[1] == BOTTOM):
                yield node.lineno, parts[1]


def rust_faults() -> Iterator[str]:
    """Look for what a crate must not name, and for signs that are missing."""
    for crate, forbidden in FORBIDDEN.items():
        source = HOUSE / "crates" / crate / "src"
        for sign in [source / "lib.rs", *sorted(source.glob("*/mod.rs"))]:
            text = "\n".join(line for line in sign.read_text().splitlines() if line.startswith("//!"))
            for words in ("May use:", "Must not know:"):
                if words not in text:
                    yield f"{where(sign)}: the header must say `{words}`"
        for file in sorted(source.rglob("*.rs")):
            for number, line in enumerate(file.read_text().splitlines(), 1):
                code = line.split("//")[0]
                for pattern, name in forbidden.items():
                    if re.search(pattern, code):
                        yield f"{where(file)}:{number}: {crate} must not know {name}: {line.strip()}"


def where(path: Path) -> str:
    """The path as seen from the house."""
    return str(path.relative_to(HOUSE))


if __name__ == "__main__":
    faults = [*python_faults(), *rust_faults()]
    print("\n".join(faults), end="\n" if faults else "", file=sys.stderr)
    sys.exit(1 if faults else 0)

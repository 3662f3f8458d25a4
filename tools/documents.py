"""Makes the files in `docs/` that are built from the code; `--check` says which are stale instead."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tidegate.config.expression.vocabulary import FAMILIES, METHODS, WORDS
from tidegate.config.schema import schema
from tools.reference import make_reference

HOUSE = Path(__file__).parent.parent


def make_schema() -> str:
    """The JSON Schema of the configuration, for editors."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def make_expressions() -> str:
    """The page about expressions: written by hand but for its tables, which are made of the vocabulary."""
    tables = {
        "words": table(
            ("word", "gives", "means", "as"),
            [
                (f"`{name}`", word.kind.value, word.means + (OF_ANSWER if word.of_answer else ""), f"`{word.example}`")
                for name, word in WORDS.items()
            ],
        ),
        "families": table(("word", "means"), [(f"`{family.example}`", family.means) for family in FAMILIES.values()]),
        "methods": table(
            ("method", "means"),
            [(f"`.{name}({'' if name == 'lower' else '…'})`", means) for name, means in METHODS.items()],
        ),
    }
    text = (HOUSE / "docs/expressions.md").read_text()
    for name, made in tables.items():
        begin = f"<!-- {name}: made by tools/documents.py -->\n"
        before, rest = text.split(begin)
        text = f"{before}{begin}{made}<!-- end -->{rest.split('<!-- end -->', 1)[1]}"
    return text


OF_ANSWER = " Only in the access log and on error pages."


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


GENERATED: dict[str, Callable[[], str]] = {
    "docs/tidegate.schema.json": make_schema,
    "docs/expressions.md": make_expressions,
    "docs/reference.md": make_reference,
}
"""Each generated file, and what makes its text."""


def main() -> int:
    """Write what is stale, or only say so."""
    stale = 0
    for name, make in GENERATED.items():
        path, text = HOUSE / name, make()
        if path.exists() and path.read_text() == text:
            continue
        if "--check" in sys.argv:
            print(f"{name} is stale: run `make docs`", file=sys.stderr)
            stale = 1
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return stale


if __name__ == "__main__":
    sys.exit(main())

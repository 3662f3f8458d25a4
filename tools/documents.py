"""Makes the files in `docs/` that are built from the code; `--check` says which are stale instead."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from tidegate.config.schema import schema

HOUSE = Path(__file__).parent.parent


def make_schema() -> str:
    """The JSON Schema of the configuration, for editors."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


GENERATED: dict[str, Callable[[], str]] = {"docs/tidegate.schema.json": make_schema}
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

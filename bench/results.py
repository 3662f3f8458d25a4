"""RESULTS.md: a section for each program that measures, each written anew by its own."""

import datetime
import re
from pathlib import Path

from bench.peers import versions

RESULTS = Path(__file__).parent / "RESULTS.md"


def save(title: str, note: str, table: str, **figures: object) -> None:
    """Put a section in the place of the one with its title, or at the end."""
    told = note.format(versions=versions(), date=datetime.date.today().isoformat(), **figures)
    RESULTS.write_text(replaced(RESULTS.read_text() if RESULTS.exists() else "", title, f"{told}\n{table}"))


def replaced(text: str, title: str, section: str) -> str:
    """The text with one section anew; sections begin with a line `# …`."""
    parts = [part for part in re.split(r"^(?=# )", text, flags=re.MULTILINE) if part.strip()]
    fresh = f"{title}\n\n{section.strip()}\n"
    at = next((at for at, part in enumerate(parts) if part.startswith(title + "\n")), len(parts))
    parts[at : at + 1] = [fresh]
    return "\n".join(part.strip() + "\n" for part in parts)

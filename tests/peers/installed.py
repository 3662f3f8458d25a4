"""Tidegate as a package of its own on disk, whose files a test replaces while it runs."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import tidegate
from tests.peers.tidegate import Config, Running, Tidegate

VERSION = f'__version__ = "{tidegate.__version__}"'


class Installed:
    """A copy of the package in `folder`. Installing puts new files there, and leaves open ones be, as installers do."""

    def __init__(self, folder: Path) -> None:
        self.library = folder / "library"
        self._copies = 0
        self.install("1.0.0")

    def install(self, version: str, edits: Mapping[str, tuple[str, str]] | None = None) -> None:
        """Put this version there in place of what is there. `edits` has for a file of the package what stands there,
        and what shall stand there instead."""
        fresh = self.library.with_name(f"library-{self._copies}")
        self._copies += 1
        shutil.copytree(Path(tidegate.__file__).parent, fresh / "tidegate", copy_function=link)
        for name, (before, after) in {"__init__.py": (VERSION, f'__version__ = "{version}"'), **(edits or {})}.items():
            path = fresh / "tidegate" / name
            text = path.read_text()
            assert before in text, f"{path} does not have {before!r}"
            path.unlink()  # the file may have other names
            path.write_text(text.replace(before, after, 1))
        if self.library.exists():
            self.library.rename(fresh.with_suffix(".old"))
        fresh.rename(self.library)

    def run(self, starter: Tidegate, config: Config, *options: str) -> Running:
        """Start an instance of what is there."""
        return starter.prepare(config, {"PYTHONPATH": str(self.library)}).start(*options)

    def workers(self) -> set[int]:
        """Every worker of the package that runs."""
        return {int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal() and self._is_worker(each)}

    def _is_worker(self, process: Path) -> bool:
        try:
            is_ours = f"PYTHONPATH={self.library}".encode() in (process / "environ").read_bytes()
            return is_ours and b"_engine.work" in (process / "cmdline").read_bytes()
        except OSError:
            return False


def link(source: str, target: str) -> None:
    """Give a file another name, or copy it where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)

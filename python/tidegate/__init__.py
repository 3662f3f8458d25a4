"""Tidegate: a reverse proxy that Python configures and operates, and whose bytes a Rust engine moves.

What stands here for other programs is loaded when it is first asked for, so that commands start quickly.
Imports: config. Imported by: nobody.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate.config.config import Config
    from tidegate.config.load import Loaded, load, load_text
    from tidegate.config.problem import Problem

__version__ = "0.1.0"
__all__ = ["Config", "Loaded", "Problem", "__version__", "load", "load_text"]

_HOMES = {
    "Config": "tidegate.config.config",
    "Loaded": "tidegate.config.load",
    "Problem": "tidegate.config.problem",
    "load": "tidegate.config.load",
    "load_text": "tidegate.config.load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tidegate' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)

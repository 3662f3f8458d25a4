"""Demo: the main job on real sockets. Three small backends that show their name, and Tidegate in front of them.

Everything is a program of its own, as in real life, and all of it ends with Ctrl-C.
Imports: nothing of ours. Imported by: cli.
"""

from tidegate.demo.run import run

__all__ = ["run"]

"""Demo: the main job on real sockets. Three small backends that show their name, and Tidegate in front of them.

A page at `/` shows requests being spread, and has a button for each backend that ends its process and starts it again.
Everything is a program of its own, as in real life, and all of it ends with Ctrl-C: the backends, Tidegate, and the
visitors who ask. The page's server, a fourth backend, lives with `run.py`, which started the others.
Imports: nothing of ours. Imported by: cli.
"""

from tidegate.demo.run import run

__all__ = ["run"]

"""Configuration: from the text of a file to frozen models, or to every problem in it.

One concept a file. `load.py` is the road: bytes, tree with positions (`tree.py`), plain data, models, then what no
model can tell by itself (`agreement.py`). Nothing here opens a socket, resolves a name or reads a secret's value, and
nothing knows the snapshot. Imports: _engine. Imported by: certificates, cli, compile, explain, simulate,
supervisor.
"""

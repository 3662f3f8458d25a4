"""Compile: from a configuration to the snapshot that the engine serves.

`snapshot.py` writes the document of `crates/core/src/snapshot/document/`, `admin.py` adds the admin listener,
`machine.py` holds the defaults that depend on the machine. A snapshot holds no secret.
Imports: _engine, config. Imported by: cli, explain, simulate, supervisor.
"""

"""Certificates: those that take care of themselves, from the names of routes to chain and key.

`store.py` keeps them, with `facts.py` above each; `due.py` decides when one is renewed. What reads or makes a
certificate needs large libraries, which are loaded where that is done, and nowhere else: the local authority,
`authority.py`, or an order (`order.py`) at an issuer (`issuer.py`), who is shown that a name is ours by a record
(`dns_update.py`, `hook.py`) or by the engine. Imports: config. Imported by: cli.
"""

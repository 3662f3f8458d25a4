"""Explain: where a request would go under a configuration, and why the other routes lost; nothing is sent or looked up.

`request.py` makes the head that a client would send, `ask.py` asks the core, `show.py` writes the answer for people.
For connections and datagrams of layer 4 these are `connection.py`, `ask_layer4.py` and `show_layer4.py`. What both need
of the configuration is in `offline.py`.
Imports: _engine, config, compile. Imported by: cli.
"""

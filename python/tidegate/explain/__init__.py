"""Explain: where a request would go under a configuration, and why the other routes lost; nothing is sent or looked up.

`request.py` makes the head that a client would send, `ask.py` asks the core, `show.py` writes the answer for people.
Imports: _engine, config, compile. Imported by: cli.
"""

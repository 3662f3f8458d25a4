"""Simulate: what clients of an upstream would wait under a balancer, on a clock of its own; nothing is sent.

`balancing.py` asks the core, whose balancers here are those that serve.
Imports: _engine, config, compile. Imported by: nobody.
"""

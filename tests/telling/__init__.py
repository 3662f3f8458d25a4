"""Telling: what an operator learns from a running instance, and that telling never holds up a request.

The access log in good and bad times, and `/metrics` as Prometheus reads it. Imports: tests.peers.
"""

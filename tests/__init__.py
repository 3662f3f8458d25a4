"""Tests: rooms as in `python/tidegate` and `crates`, then `golden`, `transcripts` and `scenarios`.

`conftest.py` lists the fixtures, `peers/` holds the real programs behind them. No sleeps, no fixed ports, nothing
beyond loopback: what waits, waits for an event under a deadline.
"""

"""Bench: what a request costs Tidegate, nginx and HAProxy, in turn on the same work, one core each.

`run.py` is the program, `cases.py` the work, `peers.py` the proxies in their best settings, `loader.py` wrk and the
idle connections, `measure.py` the CPU time and memory of a process, `table.py` and `results.py` the result. `tail.py`
is a program too: what clients wait under each balancer (`balancers.py`), with endpoints of a known speed (`workers.py`)
and open-loop load (`open_loop.py`). The proxy has core 0; origins and loaders share core 1. Imports: nothing of
Tidegate, which is a program here like the others.
"""

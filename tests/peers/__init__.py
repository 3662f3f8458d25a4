"""Peers: real programs beside Tidegate in a test, each on a port that the kernel chose, each ended with its test.

One program a file, all on `process.py`. A peer gets its listening socket from us, so it accepts from the first moment
and no port is guessed. Imports: nothing of Tidegate, which is a program here like the others.
"""

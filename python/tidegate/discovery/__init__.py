"""Discovery: where endpoints come from when the configuration does not list them.

One provider a file: `dns.py` looks names up and watches them, `resolver.py` asks hosts file and name servers. A
provider says what is there. It does not know the worker, and keeps nothing on disk.
Imports: nothing of ours. Imported by: supervisor.
"""

"""Discovery: where endpoints come from when the configuration does not list them.

One provider a file, what they share in `provider.py`: `service.py` looks SRV records up, `file.py` looks at a file,
`url.py` asks a URL through `fetch.py`; `dns.py` looks names up and watches them, `resolver.py` asks hosts file and name
servers. A provider says what is there. It does not know the worker, and keeps nothing on disk.
Imports: nothing of ours. Imported by: supervisor.
"""

"""What `make lint` and `make docs` run beside the usual tools. Imports: nothing of Tidegate, but for `documents.py`."""

"""The command line: one command a file, each a few lines that call the room below and print.

`main.py` lists the commands in the order of `--help` and loads one only when it is called, so that `tidegate status`
starts in a tenth of a second. Data goes to stdout, all else to stderr.
Imports: config, certificates, compile, explain, supervisor, demo. Imported by: nobody.
"""

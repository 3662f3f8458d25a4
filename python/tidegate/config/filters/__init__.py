"""Filters: steps of a route before or after the exchange, one kind a file, all of them listed in `filter.py`.

A model says what a filter may be told; what it does is decided in the core, `crates/core/src/filter/`, in a file of the
same name. Imports: config. Imported by: compile, config.
"""

"""Framing, beside an independent reader: messages made from the grammar and spoilt a little, read by both."""

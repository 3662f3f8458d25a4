"""What the machine refuses: an address in use, a permission, a second start. The command exits with 4."""


class Refused(Exception):
    """The machine refuses; its text says what, and who stands in the way."""

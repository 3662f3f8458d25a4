"""Laws are tested without a deadline for one example: a busy machine is no failure."""

from hypothesis import settings

settings.register_profile("tidegate", deadline=None)
settings.load_profile("tidegate")

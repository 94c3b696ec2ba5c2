"""What the rig says to a person, and how it gives up."""

import sys
import time

BEGAN = time.monotonic()


class Refused(Exception):
    """Something that a person has to know or to do; shown without a trace."""


def say(text):
    """One line of progress. Data goes to stdout, talk does not."""
    print(f"rig: {text}", file=sys.stderr, flush=True)


def elapsed():
    """Seconds since the command began, as words."""
    return f"{time.monotonic() - BEGAN:.1f} s"

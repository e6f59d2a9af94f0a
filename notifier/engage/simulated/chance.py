"""Chance that can be repeated: the same draws whenever the same things are asked for."""

from random import Random


def chance(*what: object) -> Random:
    """The draws that belong to a seed, a number, or whatever else tells one use of chance from another."""
    return Random("\0".join(map(str, what)))  # noqa: S311 - to be repeatable, not secret

"""Watches appointments in Pexip Engage and tells people when they change."""

__version__ = "0.1.0"

"""The source: Pexip Engage's appointments API, and a simulator of it."""

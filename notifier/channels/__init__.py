"""Channels: where messages go, what Apprise makes of them, and what the other side answered."""

"""Runs the command line: `python -m notifier`."""

from notifier.cli import main

main()

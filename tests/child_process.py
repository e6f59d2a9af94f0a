"""Python processes of our own, for what only a second process can show: locks, and sudden death."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Starts a process that runs the script, imports this package and ends at the latest with its input."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    """Returns the next line that the process prints; empty if it ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()

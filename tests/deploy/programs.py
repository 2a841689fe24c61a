"""Runs the programs that check what is deployed."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def beside_python(name: str) -> Path:
    """A program that a wheel has put into our environment."""
    return Path(sys.executable).with_name(name)


def run(
    *words: str | Path, env: Mapping[str, str] | None = None, without: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    """Run it to its end, with variables more or fewer than ours."""
    variables = {name: value for name, value in os.environ.items() if name not in without} | dict(env or {})
    return subprocess.run(words, env=variables, capture_output=True, text=True, check=False)

"""No secret is kept in the repository: what one looks like is looked for in every file that git tracks."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SECRETS = {
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "an API key": rb"asar_(dev|live)_[a-z2-7]{12}_[A-Za-z0-9_-]{43}[0-9a-f]{8}",
    "a seed of NATS": rb"\bS[ACNOU][A-Z2-7]{56}\b",
    "a private JWK": rb'"d"\s*:\s*"[A-Za-z0-9_-]{20,}"',
    "a password in an address": rb"(postgresql|nats|amqp|https?)://[^\s:/@${<]+:(?!password@)[^\s:/@${<%]{9,}@[a-z]",
}


@pytest.mark.parametrize("what", SECRETS)
def test_no_secret_is_kept_in_the_repository(what: str) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / name.decode() for name in listed.split(b"\0") if name]
    looks_like_it = re.compile(SECRETS[what])

    found = [
        str(file.relative_to(ROOT)) for file in files if file.is_file() and looks_like_it.search(file.read_bytes())
    ]

    assert len(files) > 100
    assert found == []

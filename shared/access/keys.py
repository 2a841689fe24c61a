"""The key files of an installation: made once, readable by their owner only.

`python -m shared.access.keys FOLDER` makes those that are missing and touches none that exist.
"""

import os
import secrets
import sys
from base64 import b64encode
from pathlib import Path

import orjson
from joserfc.jwk import KeySet, OKPKey

INTERNAL_PRIVATE = "internal.jwk"
INTERNAL_PUBLIC = "internal.jwks.json"
SEALING = "sealing.json"
CURSOR = "cursor.key"


def make_missing(folder: Path) -> None:
    """Make the keys that are missing, and the folder if need be."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / INTERNAL_PRIVATE).exists():
        key = OKPKey.generate_key("Ed25519", {"kid": secrets.token_hex(8), "use": "sig"}, auto_kid=False)
        _write(folder / INTERNAL_PUBLIC, orjson.dumps(KeySet([key]).as_dict(private=False)))
        _write(folder / INTERNAL_PRIVATE, orjson.dumps(key.as_dict(private=True)))
    if not (folder / SEALING).exists():
        kid = secrets.token_hex(4)
        ring = {
            "current": kid,
            "keys": {kid: b64encode(secrets.token_bytes(32)).decode()},
            "index": b64encode(secrets.token_bytes(32)).decode(),
        }
        _write(folder / SEALING, orjson.dumps(ring))
    if not (folder / CURSOR).exists():
        _write(folder / CURSOR, b64encode(secrets.token_bytes(32)))


def _write(path: Path, content: bytes) -> None:
    # Written aside and renamed, so that a crash leaves no half a key.
    aside = path.with_suffix(".new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)


if __name__ == "__main__":
    make_missing(Path(sys.argv[1]))

"""The key files of an installation: made once, readable by their owner only.

`python -m shared.access.keys FOLDER` makes those that are missing and touches none that exist. `rotate` or `retire`
behind the folder changes the ring of the sealing keys; what else that takes: docs/how-to/rotate-keys.md.
"""

import os
import secrets
import sys
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

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
        ring: dict[str, Any] = {"keys": {}, "index": b64encode(secrets.token_bytes(32)).decode()}
        _write(folder / SEALING, orjson.dumps(_with_new_key(ring)))
    if not (folder / CURSOR).exists():
        _write(folder / CURSOR, b64encode(secrets.token_bytes(32)))


def add_sealing_key(folder: Path) -> str:
    """Add a key to the ring with which everything is sealed from now on; the others still open. Answers its id."""
    ring = _with_new_key(orjson.loads((folder / SEALING).read_bytes()))
    _write(folder / SEALING, orjson.dumps(ring))
    return ring["current"]


def drop_other_sealing_keys(folder: Path) -> list[str]:
    """Leave the current key only, for good: what is sealed with another one is lost. Answers which went."""
    ring = orjson.loads((folder / SEALING).read_bytes())
    others = [kid for kid in ring["keys"] if kid != ring["current"]]
    for kid in others:
        del ring["keys"][kid]
    _write(folder / SEALING, orjson.dumps(ring))
    return others


def sealing_key_age_s(folder: Path) -> float:
    """For how long the current sealing key has been that."""
    return time.time() - (folder / SEALING).stat().st_mtime


def _with_new_key(ring: dict[str, Any]) -> dict[str, Any]:
    kid = secrets.token_hex(4)
    return ring | {"current": kid, "keys": {**ring["keys"], kid: b64encode(secrets.token_bytes(32)).decode()}}


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
    match sys.argv[1:]:
        case [folder]:
            make_missing(Path(folder))
        case [folder, "rotate"]:
            add_sealing_key(Path(folder))
        case [folder, "retire"]:
            drop_other_sealing_keys(Path(folder))
        case _:
            sys.exit("usage: python -m shared.access.keys FOLDER [rotate|retire]")

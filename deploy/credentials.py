"""Makes up the passwords and keys that a system in containers is started with, and writes nothing but its output.

`python -m deploy.credentials compose` prints an `.env` for Docker Compose.

`python -m deploy.credentials kubernetes development|production` prints the Secrets of that overlay for
`kubectl create -f -`. Each run makes others: keep what the first one made.
"""

import json
import secrets
import string
import sys
import tempfile
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from deploy.local.installation import SERVICES, owner_of
from shared.access import keys
from shared.messaging.permissions import users

_USAGE = "usage: python -m deploy.credentials compose | kubernetes [development|production]"
_SIGNING = keys.INTERNAL_PRIVATE


def password() -> str:
    """A password that needs no quoting in an address and begins with a letter: NATS reads digits as a number."""
    return secrets.choice(string.ascii_letters) + secrets.token_urlsafe(24)


def compose() -> str:
    """The lines of an `.env` that answer all that `docker-compose.yml` asks for."""
    roles = (role for service in SERVICES for role in (service, owner_of(service)))
    names = ("POSTGRES", *(role.upper() for role in roles), *(f"NATS_{user.name.upper()}" for user in users()))
    return "".join(f"ASAR_{name}_PASSWORD={password()}\n" for name in names)


def kubernetes(overlay: str = "development") -> str:
    """A list of the Secrets that an overlay of `deploy/k8s` refers to: `development` or `production`."""
    passwords = {role: password() for service in SERVICES for role in (service, owner_of(service))}
    of_nats = {user.name: password() for user in users()}
    made = {"nats": of_nats, **_keys()}
    host = "postgres"
    if overlay == "production":
        # The operator's address of whichever instance is primary.
        host = "postgres-rw"
        made |= {_of_role(role): {"username": role, "password": word} for role, word in passwords.items()}
    else:
        made["postgres"] = {"password": password(), **passwords}
    for service in SERVICES:
        made[f"{service}-database"] = {
            name: f"postgresql://{role}:{passwords[role]}@{host}:5432/{service}"
            for name, role in (("url", service), ("owner_url", owner_of(service)))
        }
        made[f"{service}-nats"] = {"url": f"nats://{service}:{of_nats[service]}@nats:4222"}
    items = [_secret(name, content) for name, content in made.items()]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1) + "\n"


def _of_role(role: str) -> str:
    return f"postgres-{role.replace('_', '-')}"


def _keys() -> dict[str, dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        keys.make_missing(Path(folder))
        made = {file.name: file.read_text(encoding="ascii") for file in sorted(Path(folder).iterdir())}
    # Only the gateway may sign: whoever holds this one speaks for everybody.
    signing = {_SIGNING: made.pop(_SIGNING)}
    return {"keys": made, "signing-key": signing}


def _secret(name: str, content: Mapping[str, str]) -> dict[str, object]:
    labels, kind = {"app.kubernetes.io/part-of": "asar"}, "Opaque"
    if "username" in content:
        # CloudNativePG sets the password anew when such a Secret changes.
        labels, kind = {**labels, "cnpg.io/reload": "true"}, "kubernetes.io/basic-auth"
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "asar", "labels": labels},
        "type": kind,
        "data": {key: b64encode(text.encode()).decode() for key, text in content.items()},
    }


def main() -> None:
    match sys.argv[1:]:
        case ["compose"]:
            sys.stdout.write(compose())
        case ["kubernetes", *overlay] if overlay in ([], ["development"], ["production"]):
            sys.stdout.write(kubernetes(*overlay))
        case _:
            sys.exit(_USAGE)


if __name__ == "__main__":
    main()

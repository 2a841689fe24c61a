"""The passwords and keys that containers are started with."""

import json
import sys
from base64 import b64decode
from pathlib import Path

import pytest

from deploy import credentials
from deploy.local.installation import SERVICES, owner_of
from shared.access.principal import system
from shared.access.token import Signer, Verifier
from shared.paging import Cursors
from shared.sealed import Seal
from tests.deploy.programs import run


def secrets(overlay: str = "development") -> dict[str, dict[str, bytes]]:
    """The made Secrets, decoded, by name."""
    made = json.loads(credentials.kubernetes(overlay))
    return {s["metadata"]["name"]: {k: b64decode(v) for k, v in s["data"].items()} for s in made["items"]}


def test_each_run_makes_up_others() -> None:
    assert credentials.compose() != credentials.compose()
    assert credentials.kubernetes() != credentials.kubernetes()


def test_a_password_needs_no_quoting_anywhere() -> None:
    words = [credentials.password() for _ in range(200)]

    assert not [word for word in words if not word[0].isalpha() or not word.replace("-", "").replace("_", "").isalnum()]


def test_an_address_has_the_password_of_its_server() -> None:
    made = secrets()

    for service in SERVICES:
        assert made[f"{service}-database"] == {
            name: b"postgresql://%s:%s@postgres:5432/%s" % (role.encode(), made["postgres"][role], service.encode())
            for name, role in (("url", service), ("owner_url", owner_of(service)))
        }
        word = made["nats"][service].decode()
        assert made[f"{service}-nats"] == {"url": f"nats://{service}:{word}@nats:4222".encode()}


def test_the_operator_is_told_the_passwords_of_the_addresses() -> None:
    made = secrets("production")

    assert "postgres" not in made
    for service in SERVICES:
        for name, role in (("url", service), ("owner_url", owner_of(service))):
            told = made[f"postgres-{role.replace('_', '-')}"]
            address = f"postgresql://{role}:{told['password'].decode()}@postgres-rw:5432/{service}"
            assert told["username"].decode() == role
            assert made[f"{service}-database"][name].decode() == address


def test_the_keys_work_when_they_are_mounted_together(tmp_path: Path) -> None:
    made = secrets()
    for name, content in (made["keys"] | made["signing-key"]).items():
        (tmp_path / name).write_bytes(content)

    principal = system("deploy")
    token = Signer(tmp_path).sign(principal, "charity")

    assert Verifier(tmp_path, "charity").verify(token) == principal
    seal = Seal(tmp_path)
    assert seal.open(seal.close("Айгүл", place="a.b", row="1"), place="a.b", row="1").decode() == "Айгүл"
    Cursors(tmp_path)


def test_a_service_can_do_without_the_signing_key(tmp_path: Path) -> None:
    for name, content in secrets()["keys"].items():
        (tmp_path / name).write_bytes(content)

    Verifier(tmp_path, "events")
    with pytest.raises(FileNotFoundError):
        Signer(tmp_path)


@pytest.mark.parametrize("words", [[], ["helm"], ["compose", "again"], ["kubernetes", "staging"]])
def test_other_words_are_answered_with_the_usage(words: list[str]) -> None:
    done = run(sys.executable, "-m", "deploy.credentials", *words)

    assert (done.returncode, done.stdout) == (1, "")
    assert "usage" in done.stderr

"""The internal token opens a door for the one it names, for a minute, at one service; nothing else opens any."""

import base64
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from shared.access import keys
from shared.access.permissions import MAY, NOT_FOR_SOME_DIRECTIONS, Permission, Role
from shared.access.principal import ANYONE, EVERYTHING, NOTHING, Grant, Principal, Reach, person, system
from shared.access.token import LIFETIME_S, Signer, TokenRefused, Verifier

COORDINATOR = person("person:1", Role.COORDINATOR, centres={UUID(int=1)}, directions={"ecology"})


@pytest.fixture(scope="module")
def keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    folder.chmod(0o700)
    keys.make_missing(folder)
    return folder


@pytest.fixture(scope="module")
def verifier(keys_dir: Path) -> Verifier:
    return Verifier(keys_dir, "kites")


def private_key(folder: Path) -> OKPKey:
    return OKPKey.import_key(orjson.loads((folder / keys.INTERNAL_PRIVATE).read_bytes()))


def token(
    folder: Path, *, header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, key: Any = None
) -> str:
    """A token that is right in all but what is given; None leaves a claim or header out."""
    signing = key or private_key(folder)
    now = int(time.time())
    headers = {"alg": "Ed25519", "typ": "internal+jwt", "kid": private_key(folder).kid} | (header or {})
    content: dict[str, Any] = {
        "iss": "gateway",
        "aud": "kites",
        "iat": now,
        "exp": now + 60,
        "sub": COORDINATOR.id,
        "principal": COORDINATOR.model_dump(mode="json"),
    } | (claims or {})
    return jwt.encode(
        {name: value for name, value in headers.items() if value is not None},
        {name: value for name, value in content.items() if value is not None},
        signing,
        algorithms=[headers["alg"]],
    )


def test_the_gateway_s_token_names_who_calls(keys_dir: Path, verifier: Verifier) -> None:
    signer = Signer(keys_dir)

    assert verifier.verify(signer.sign(COORDINATOR, "kites")) == COORDINATOR
    assert verifier.verify(signer.sign(system("kites"), "kites")) == system("kites")
    assert verifier.verify(token(keys_dir)) == COORDINATOR


def test_a_token_is_used_again_for_the_very_same_rights_only(keys_dir: Path, verifier: Verifier) -> None:
    signer = Signer(keys_dir)
    less = COORDINATOR.model_copy(update={"grants": ()})

    first = signer.sign(COORDINATOR, "kites")
    assert signer.sign(COORDINATOR.model_copy(), "kites") == first
    assert verifier.verify(signer.sign(less, "kites")) == less
    assert verifier.verify(signer.sign(COORDINATOR, "kites")) == COORDINATOR


def _unsigned(folder: Path) -> str:
    header, payload, _ = token(folder).split(".")
    decoded = orjson.loads(base64.urlsafe_b64decode(header + "=="))
    forged = base64.urlsafe_b64encode(orjson.dumps({**decoded, "alg": "none"})).rstrip(b"=").decode()
    return f"{forged}.{payload}."


def at(seconds: int) -> int:
    """So many seconds from now, when it is asked: a suite runs for long."""
    return int(time.time()) + seconds


def _signed_with_the_public_key(folder: Path) -> str:
    public = (folder / keys.INTERNAL_PUBLIC).read_bytes()
    return token(folder, header={"alg": "HS256"}, key=OctKey.import_key(public))


def _altered(folder: Path) -> str:
    header, payload, signature = token(folder).split(".")
    content = orjson.loads(base64.urlsafe_b64decode(payload + "=="))
    content["principal"]["roles"] = ["administrator"]
    return ".".join((header, base64.urlsafe_b64encode(orjson.dumps(content)).rstrip(b"=").decode(), signature))


BAD: dict[str, Any] = {
    "without a signature": _unsigned,
    "signed by HMAC with the public key": _signed_with_the_public_key,
    "altered after it was signed": _altered,
    "cut short": lambda folder: token(folder)[:-3],
    "signed by a stranger": lambda folder: token(folder, key=OKPKey.generate_key("Ed25519")),
    "signed by a stranger under no name": lambda folder: token(
        folder, header={"kid": None}, key=OKPKey.generate_key("Ed25519")
    ),
    "under an unknown name": lambda folder: token(folder, header={"kid": "other"}),
    "of another type": lambda folder: token(folder, header={"typ": "JWT"}),
    "of no type": lambda folder: token(folder, header={"typ": None}),
    "for another service": lambda folder: token(folder, claims={"aud": "charity"}),
    "for no service": lambda folder: token(folder, claims={"aud": None}),
    "of another issuer": lambda folder: token(folder, claims={"iss": "kites"}),
    "of no issuer": lambda folder: token(folder, claims={"iss": None}),
    "expired": lambda folder: token(folder, claims={"iat": at(-120), "exp": at(-60)}),
    "without an end": lambda folder: token(folder, claims={"exp": None}),
    "with an end that is no number": lambda folder: token(folder, claims={"exp": "tomorrow"}),
    "from the future": lambda folder: token(folder, claims={"iat": at(600), "exp": at(660)}),
    "without a beginning": lambda folder: token(folder, claims={"iat": None}),
    "of nobody": lambda folder: token(folder, claims={"principal": None}),
    "of somebody odd": lambda folder: token(folder, claims={"principal": {"id": 1}}),
    "of an unknown role": lambda folder: token(
        folder, claims={"principal": {**COORDINATOR.model_dump(mode="json"), "grants": [{"role": "king"}]}}
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_any_other_token_is_refused(keys_dir: Path, verifier: Verifier, bad: str) -> None:
    with pytest.raises(TokenRefused):
        verifier.verify(BAD[bad](keys_dir))


@given(text=st.text())
def test_no_text_whatever_is_taken_or_breaks_the_door(verifier: Verifier, text: str) -> None:
    with pytest.raises(TokenRefused):
        verifier.verify(text)


@given(place=st.integers(0, 10_000), letter=st.sampled_from("AZaz09-_.=é "))
def test_a_token_with_one_letter_changed_is_refused_or_says_the_same(
    keys_dir: Path, verifier: Verifier, place: int, letter: str
) -> None:
    good = token(keys_dir)
    place %= len(good)
    changed = good[:place] + letter + good[place + 1 :]

    try:
        principal = verifier.verify(changed)
    except TokenRefused:
        return
    # The last letter of base64 has bits to spare.
    assert principal == COORDINATOR


def test_a_token_ends_even_where_it_was_accepted_before(
    keys_dir: Path, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = Signer(keys_dir).sign(COORDINATOR, "kites")
    assert verifier.verify(signed) == COORDINATOR

    later = time.time() + LIFETIME_S + 1
    monkeypatch.setattr("shared.access.token._now_s", lambda: later)

    with pytest.raises(TokenRefused):
        verifier.verify(signed)


def test_a_token_is_used_for_half_its_life_and_then_signed_anew(
    keys_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer, now = Signer(keys_dir), time.time()
    signed = [signer.sign(COORDINATOR, "kites")]
    for seconds in (1, LIFETIME_S / 2 - 2, LIFETIME_S / 2 + 2):
        monkeypatch.setattr("shared.access.token._now_s", lambda seconds=seconds: now + seconds)
        signed.append(signer.sign(COORDINATOR, "kites"))

    assert signed[0] == signed[1] == signed[2] != signed[3]
    assert signer.sign(COORDINATOR, "charity") != signed[3]


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    folder = tmp_path / "new keys"
    keys.make_missing(folder)
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    keys.make_missing(folder)

    assert set(made) == {keys.INTERNAL_PRIVATE, keys.INTERNAL_PUBLIC, keys.SEALING, keys.CURSOR}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert b'"d"' not in made[keys.INTERNAL_PUBLIC]


def test_a_permission_reaches_as_far_as_the_grants_that_give_it() -> None:
    here, there = UUID(int=1), UUID(int=2)
    both = Principal(
        id="person:2",
        kind="person",
        grants=(
            Grant(role=Role.COORDINATOR, centres=frozenset({here}), directions=frozenset({"ecology"})),
            Grant(role=Role.TREASURER, centres=frozenset({there})),
            Grant(role=Role.AUDITOR, centres=None),
        ),
    )

    assert both.reach(Permission.WRITE_EVENTS) == Reach(parts=frozenset({(here, "ecology")}))
    assert both.reach(Permission.DISBURSE) == Reach(parts=frozenset({(there, None)}))
    assert both.reach(Permission.READ_MONEY) == Reach(parts=frozenset({(there, None), (None, None)}))
    assert both.reach(Permission.MANAGE_CENTRES) == NOTHING
    assert both.reach(Permission.READ_FIGURES) == ANYONE.reach(Permission.READ_FIGURES) == EVERYTHING
    assert system("kites").reach(Permission.WRITE_FAMILIES) == EVERYTHING


def test_what_a_reach_tells_the_database() -> None:
    here = UUID(int=1)

    assert Reach(parts=frozenset({(here, "ecology"), (here, "youth")})).settings == {
        "asar.centres": str(here),
        "asar.parts": f"{here}/ecology,{here}/youth",
        "asar.volunteer": "",
    }
    assert EVERYTHING.settings == {"asar.centres": "*", "asar.parts": "*/*", "asar.volunteer": ""}
    assert NOTHING.settings == {"asar.centres": "", "asar.parts": "", "asar.volunteer": ""}


def test_a_volunteer_reaches_their_own_records_only() -> None:
    volunteer = person("person:3", Role.VOLUNTEER, volunteer_id=UUID(int=3))

    assert volunteer.reach(Permission.READ_VOLUNTEERS) == Reach(volunteer_id=UUID(int=3))
    assert not volunteer.may(Permission.WRITE_VOLUNTEERS)


def test_some_directions_are_not_the_whole_centre() -> None:
    whole = person("person:4", Role.COORDINATOR, centres={UUID(int=1)})

    for permission in NOT_FOR_SOME_DIRECTIONS:
        assert whole.may(permission)
        assert not COORDINATOR.may(permission)


def test_every_role_is_told_what_it_may_and_nobody_unknown_may_write() -> None:
    assert set(MAY) == set(Role)
    nobody = Principal(id="nobody", kind="anyone")
    assert all(permission.endswith(":read") for permission in MAY[Role.ANYONE] - {Permission.SIGN_IN})
    assert not ANYONE.may(Permission.READ_VOLUNTEERS)
    assert not any(nobody.may(permission) for permission in Permission)
    assert not person("a", Role.AUDITOR).may(Permission.READ_FAMILIES)


def test_a_key_may_what_it_was_granted_and_what_anyone_may() -> None:
    granted = Grant(role=Role.SYSTEM, permissions=frozenset({Permission.RECORD_DONATIONS}))
    key = Principal(id="key:1", kind="machine", grants=(granted,))

    assert key.may(Permission.RECORD_DONATIONS)
    assert key.may(Permission.READ_CENTRES)
    assert not key.may(Permission.READ_MONEY)

"""What `docker-compose.yml` would start: valid, hardened, and with one door only."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from deploy import credentials
from deploy.local.installation import CODE, SERVICES, owner_of
from shared.server import GRACE_S
from tests.deploy import composition
from tests.deploy.policies.pods import CLEANING_UP_S
from tests.deploy.programs import beside_python, run

ONCE = {"keys", *(f"migrate-{service}" for service in SERVICES)}
SERVERS = {"postgres", "nats"}
WATCHING = {"prometheus", "grafana", "traces"}


def given() -> dict[str, str]:
    """What the `.env` says that `python -m deploy.credentials compose` writes."""
    return dict(line.split("=", 1) for line in credentials.compose().splitlines())


@pytest.fixture(params=sorted(composition.services()))
def part(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return request.param, composition.services()[request.param]


def test_the_file_is_of_the_compose_specification() -> None:
    check = beside_python("check-jsonschema")

    done = run(check, "--builtin-schema", "vendor.compose-spec", composition.FILE)

    assert done.returncode == 0, done.stdout + done.stderr


def compose_command() -> list[str] | None:
    """Docker Compose 2, where it is installed; it needs no engine to read a file."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            done = run(*command, "version", "--short")
            if done.returncode == 0 and done.stdout.lstrip("v")[:1] >= "2":
                return command
    return None


# Debian has no package of Compose 2, so `make test` cannot bring it; the tests below ask its schema everywhere.
@pytest.mark.skipif(compose_command() is None, reason="Docker Compose is not installed; its schema was asked instead")
def test_compose_itself_reads_the_file(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(credentials.compose(), encoding="utf-8")

    done = run(*(compose_command() or []), "--env-file", tmp_path / "env", "-f", composition.FILE, "config", "--quiet")

    assert (done.returncode, done.stderr) == (0, "")


def test_it_has_each_service_and_what_they_need() -> None:
    assert composition.services().keys() == {*SERVICES, *SERVERS, *ONCE, *WATCHING}
    assert composition.of_profile("observability") == WATCHING


def test_each_part_is_hardened(part: tuple[str, dict[str, Any]]) -> None:
    _, said = part

    assert said["read_only"] is True
    assert said["cap_drop"] == ["ALL"]
    assert said["security_opt"] == ["no-new-privileges:true"]
    assert said["init"] is True
    assert "memory" in said["deploy"]["resources"]["limits"]
    assert any(mount.startswith("/tmp:") for mount in said["tmpfs"])  # noqa: S108
    assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & said.keys()
    assert said.get("user") != "root"


def test_each_part_may_end_what_it_has_begun(part: tuple[str, dict[str, Any]]) -> None:
    _, said = part

    assert int(said["stop_grace_period"].removesuffix("s")) > GRACE_S + CLEANING_UP_S


def test_what_stays_is_watched_and_what_is_done_once_is_tried_again(part: tuple[str, dict[str, Any]]) -> None:
    name, said = part

    if name in ONCE:
        assert said["restart"] == "on-failure"
        assert "healthcheck" not in said
    elif name == "traces":
        # Its image holds one program, which cannot ask itself.
        assert said["restart"] == "unless-stopped"
    else:
        assert said["restart"] == "unless-stopped"
        # No shell: it may be missing, and swallows signals.
        assert said["healthcheck"]["test"][0] == "CMD"
        asks = {"postgres": "pg_isready", "prometheus": "promtool", "grafana": "wget"}
        assert said["healthcheck"]["test"][1] == asks.get(name, "python")


def test_the_gateway_is_the_only_door_and_opens_to_this_machine_alone() -> None:
    published = {name: said["ports"] for name, said in composition.services().items() if "ports" in said}
    reached = {name for name, said in composition.services().items() if "outer" in said.get("networks", [])}

    assert published.keys() == reached == {"gateway", *WATCHING}
    assert [composition.filled(port, {}) for port in published["gateway"]] == ["127.0.0.1:8080:8000"]
    # What watches is never opened to others, whatever the environment says.
    assert all(port.startswith("127.0.0.1:") for name in WATCHING for port in published[name])
    assert composition.raw()["networks"]["inner"] == {"internal": True}


def test_a_service_starts_after_its_keys_and_migrations() -> None:
    done = "service_completed_successfully"
    for service in SERVICES:
        waits_for = composition.services()[service]["depends_on"]
        assert waits_for[f"migrate-{service}"]["condition"] == done
        assert waits_for["keys"]["condition"] == done
        assert waits_for["nats"]["condition"] == "service_healthy"
        migrating = composition.services()[f"migrate-{service}"]
        assert migrating["command"] == [f"services.{service}", "migrate"]
        assert migrating["depends_on"]["postgres"]["condition"] == "service_healthy"
        assert composition.services()[service]["command"] == [f"services.{service}"]


def test_every_password_is_asked_for_and_can_be_made() -> None:
    made = given()

    assert composition.demanded() == made.keys()
    assert len(set(made.values())) == len(made)
    assert not [value for value in made.values() if not value[0].isalpha() or len(value) < 32]
    text = composition.FILE.read_text(encoding="utf-8")
    for name in made:
        assert text.count(name) == text.count(f"{{{name}:?")


def test_each_service_knows_its_own_database_alone() -> None:
    made = given()
    for service in SERVICES:
        for container in (service, f"migrate-{service}"):
            url = composition.environment(container, made)["ASAR_DATABASE_URL"]
            password = made[f"ASAR_{service.upper()}_PASSWORD"]
            assert url == f"postgresql://{service}:{password}@postgres/{service}"


def test_only_migrations_connect_as_the_owner() -> None:
    made = given()
    for service in SERVICES:
        owner = owner_of(service)
        url = composition.environment(f"migrate-{service}", made)["ASAR_OWNER_DATABASE_URL"]
        assert url == f"postgresql://{owner}:{made[f'ASAR_{owner.upper()}_PASSWORD']}@postgres/{service}"
        assert "OWNER" not in "".join(composition.environment(service, made))


def test_each_service_knows_its_own_user_of_nats_alone() -> None:
    made = given()
    for service in SERVICES:
        for container in (service, f"migrate-{service}"):
            variables = composition.environment(container, made)
            password = made[f"ASAR_NATS_{service.upper()}_PASSWORD"]
            assert variables["ASAR_NATS_URL"] == f"nats://{service}:{password}@nats:4222"


def test_what_watches_finds_its_files() -> None:
    for name in sorted(WATCHING):
        for mount in composition.services()[name].get("volumes", []):
            source, target, *mode = mount.split(":")
            if source.startswith("."):
                assert (CODE / source).exists(), mount
                assert mode == ["ro"], mount
            else:
                assert source in composition.raw()["volumes"], mount
            assert target.startswith("/")
    [secret] = composition.services()["prometheus"]["secrets"]
    read = (CODE / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    assert f"credentials_file: /run/secrets/{secret}" in read
    provisioned = (CODE / "deploy" / "grafana" / "provisioning").rglob("*.yml")
    told = composition.services()["grafana"]["environment"]
    asked = {name for file in provisioned for name in re.findall(r"\$\{(\w+)\}", file.read_text(encoding="utf-8"))}
    assert asked <= told.keys()


def test_no_environment_reaches_the_image_or_the_repository() -> None:
    assert ".env" in (CODE / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "**/.env" in (CODE / ".dockerignore").read_text(encoding="utf-8").splitlines()

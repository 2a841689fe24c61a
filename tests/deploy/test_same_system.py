"""Compose and Kubernetes describe one system: the same services, settings, servers, and nothing that is not read."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from deploy.bus import configuration
from deploy.local.installation import CODE, SERVICES
from shared.messaging.permissions import users
from tests.deploy import chart, composition
from tests.deploy.cluster import BASE, DEVELOPMENT, K8S, PRODUCTION, rendered
from tests.deploy.policies.secrets import names, settings_class
from tests.deploy.test_compose import given
from tests.deploy.test_manifests import made_secrets

PREFIX = "ASAR_"
FOR_TESTS = {"ASAR_FAILPOINT", "ASAR_CLOCK_AHEAD_S"}
"""What production refuses to start with."""


def described(service: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Every process of a service that is described anywhere, with its variables."""
    for container in (service, f"migrate-{service}"):
        yield f"compose {container}", composition.environment(container, given())
    secrets = made_secrets()
    for folder in (BASE, DEVELOPMENT, PRODUCTION):
        for part in ("api", "worker", "migrate"):
            cluster = rendered(folder)
            yield f"{folder.name} {service}-{part}", cluster.environment(cluster.pod(f"{service}-{part}"), secrets)


@pytest.mark.parametrize("service", SERVICES)
def test_each_setting_is_named_and_no_other(service: str) -> None:
    for where, variables in described(service):
        # Migrations alone are told who owns the tables.
        untold = FOR_TESTS | (set[str]() if "migrate" in where else {"ASAR_OWNER_DATABASE_URL"})
        assert {name for name in variables if name.startswith(PREFIX)} == names(service) - untold, where


@pytest.mark.parametrize("service", SERVICES)
def test_the_settings_can_be_read(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for where, variables in described(service):
        with monkeypatch.context() as patch:
            for name in names(service):
                patch.delenv(name, raising=False)
            for name, value in variables.items():
                patch.setenv(name, value)
            settings = settings_class(service)()  # pyright: ignore[reportCallIssue]  # the environment fills it in
        # What listens on its own loopback interface is alone in its container.
        assert (settings.host, settings.port) == ("0.0.0.0", 8000), where  # noqa: S104
        assert settings.keys_dir == Path("/var/lib/asar/keys"), where
        assert settings.environment == ("development" if where.startswith("development") else "production"), where
        assert settings.stream_replicas == (3 if where.startswith(("base", "production")) else 1), where


def test_the_gateway_finds_each_service() -> None:
    for where, variables in described("gateway"):
        for service in ("volunteers", "events", "charity"):
            host = service if where.startswith("compose") else f"{service}-api"
            assert variables[f"ASAR_{service.upper()}_URL"] == f"http://{host}:8000", where
    for folder in (BASE, DEVELOPMENT, PRODUCTION):
        served = {one["metadata"]["name"]: one["spec"]["ports"][0]["port"] for one in rendered(folder).all("Service")}
        assert {name: port for name, port in served.items() if name.endswith("-api")} == {
            f"{service}-api": 8000 for service in SERVICES
        }


def test_keys_are_looked_for_where_they_are() -> None:
    for service in SERVICES:
        for container in (service, f"migrate-{service}"):
            assert composition.services()[container]["volumes"] == ["keys:/var/lib/asar/keys:ro"]
        for part in ("api", "worker", "migrate"):
            pod = rendered(BASE).pod(f"{service}-{part}")
            mounts = {mount["name"]: mount["mountPath"] for mount in pod.container["volumeMounts"]}
            assert mounts["keys"] == "/var/lib/asar/keys"
    assert composition.services()["keys"]["command"] == ["shared.access.keys", "/var/lib/asar/keys"]


@pytest.mark.parametrize(
    ("component", "file"),
    [
        ("nats", "nats.conf"),
        ("nats", "subscribers.conf"),
        ("nats-cluster", "subscribers.conf"),
        ("postgres", "databases.sql"),
    ],
)
def test_the_servers_are_prepared_alike(component: str, file: str) -> None:
    [compose] = (CODE / "deploy" / "compose").rglob(file)
    cluster = K8S / "components" / component / file

    assert compose.read_text(encoding="utf-8") == cluster.read_text(encoding="utf-8")


def test_every_cluster_makes_the_same_databases() -> None:
    """What the operator is told differs from `databases.sql` in nothing but passwords, which it reads from Secrets."""
    text = (CODE / "deploy" / "compose" / "databases.sql").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith(("--", "\\")))
    statements = [" ".join(one.split()) for one in "\n".join(lines).split(";")]
    wanted = [re.sub(r" PASSWORD :'\w+'", "", statement) for statement in statements if statement]
    [operated] = rendered(PRODUCTION).all("Cluster")
    initdb = operated["spec"]["bootstrap"]["initdb"]

    assert [" ".join(one.split()) for one in initdb["postInitSQL"]] == wanted
    assert {role["name"] for role in operated["spec"]["managed"]["roles"]} == {
        statement.split()[2] for statement in wanted if statement.startswith("CREATE ROLE")
    }


def test_every_cluster_of_nats_has_the_same_users() -> None:
    values = yaml.safe_load(chart.VALUES.read_text(encoding="utf-8"))
    variables = {name for name in values["container"]["env"] if name.endswith("_PASSWORD")}

    assert variables == {configuration.variable(user.name) for user in users()}
    file = chart.VALUES.with_name("accounts.conf")
    assert file.read_text(encoding="utf-8") == configuration.for_the_chart()


def test_the_servers_are_started_alike() -> None:
    compose, cluster = composition.services(), rendered(DEVELOPMENT)
    postgres, nats = cluster.pod("postgres"), cluster.pod("nats")

    assert postgres.container["image"] == compose["postgres"]["image"]
    assert nats.container["command"] == compose["nats"]["entrypoint"]
    assert nats.container["args"] == compose["nats"]["command"]
    for server, pod in (("postgres", postgres), ("nats", nats)):
        variables = {entry["name"]: entry.get("value") for entry in pod.container["env"]}
        assert variables.keys() == compose[server]["environment"].keys()
    [initdb] = [entry for entry in postgres.container["env"] if entry["name"] == "POSTGRES_INITDB_ARGS"]
    assert initdb["value"] == compose["postgres"]["environment"]["POSTGRES_INITDB_ARGS"]


def test_nats_keeps_a_quarter_of_its_volume_free() -> None:
    pod = rendered(DEVELOPMENT).pod("nats")
    [most] = [entry["value"] for entry in pod.container["env"] if entry["name"] == "NATS_FILE_STORE_MAX"]
    [claim] = pod.workload["spec"]["volumeClaimTemplates"]

    asked = claim["spec"]["resources"]["requests"]["storage"]
    assert int(most.removesuffix("GB")) <= int(asked.removesuffix("Gi")) * 3 / 4

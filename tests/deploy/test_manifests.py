"""What `deploy/k8s` would put into a cluster: valid, restricted, watched, walled in."""

import json
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy import credentials
from deploy.local.installation import CODE, OWNERS, SERVICES
from shared.server import GRACE_S
from tests.deploy.cluster import BASE, DEVELOPMENT, K8S, Cluster, Pod, matches, rendered

OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()
CLEANING_UP_S = 8
"""The database's pool and the connection to NATS are closed after the last request, each with a deadline."""


@pytest.fixture(params=[BASE, DEVELOPMENT], ids=["base", "development"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    return rendered(request.param)


def ours(cluster: Cluster, *parts: str) -> list[Pod]:
    """The pods of our services."""
    return [
        pod for pod in cluster.pods if pod.labels.get("app.kubernetes.io/component") in (parts or ("api", "worker"))
    ]


@pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl is not installed; the tests' own renderer was used"
)
@pytest.mark.parametrize("folder", [BASE, DEVELOPMENT], ids=["base", "development"])
def test_kubectl_renders_the_same(folder: Path) -> None:
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True)

    def by_name(objects: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
        return {(one["kind"], one["metadata"]["name"]): one for one in objects}

    assert by_name(list(yaml.safe_load_all(done.stdout))) == by_name(rendered(folder).objects)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_each_object_is_of_its_schema(cluster: Cluster, version: str) -> None:
    for body in cluster.objects:
        kubernetes_validate.validate(body, version, strict=True)


def test_everything_is_in_one_restricted_namespace(cluster: Cluster) -> None:
    [namespace] = cluster.all("Namespace")

    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {body["metadata"].get("namespace", "asar") for body in cluster.objects} == {"asar"}
    assert {body["metadata"]["labels"]["app.kubernetes.io/part-of"] for body in cluster.objects} == {"asar"}


def test_each_pod_keeps_to_the_restricted_standard(cluster: Cluster) -> None:
    volumes_allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
    assert cluster.pods
    for pod in cluster.pods:
        whole, own = pod.spec["securityContext"], pod.container["securityContext"]
        assert whole["runAsNonRoot"] is True, pod.owner
        assert whole["runAsUser"] > 0, pod.owner
        assert whole["seccompProfile"] == {"type": "RuntimeDefault"}, pod.owner
        assert own["allowPrivilegeEscalation"] is False, pod.owner
        assert own["capabilities"] == {"drop": ["ALL"]}, pod.owner
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys(), pod.owner
        assert not [port for port in pod.container.get("ports", []) if "hostPort" in port], pod.owner
        assert {key for volume in pod.spec["volumes"] for key in volume} - {"name"} <= volumes_allowed, pod.owner


def test_each_pod_has_no_more_than_it_needs(cluster: Cluster) -> None:
    for pod in cluster.pods:
        assert pod.container["securityContext"]["readOnlyRootFilesystem"] is True, pod.owner
        assert pod.spec["automountServiceAccountToken"] is False, pod.owner
        # Otherwise the addresses of all services would become settings: ASAR_PORT=tcp://…
        assert pod.spec["enableServiceLinks"] is False, pod.owner
        assert {"name": "tmp", "mountPath": "/tmp"} in pod.container["volumeMounts"], pod.owner  # noqa: S108
        resources = pod.container["resources"]
        assert resources["requests"].keys() == {"cpu", "memory"}, pod.owner
        assert resources["limits"].keys() == {"memory"}, pod.owner


def test_each_service_has_all_its_parts(cluster: Cluster) -> None:
    names = {f"{service}-{part}" for service in SERVICES for part in ("api", "worker", "migrate")}

    assert {pod.name for pod in ours(cluster, "api", "worker", "migrate")} == names
    for pod in ours(cluster, "api", "worker", "migrate"):
        service, part = pod.name.rsplit("-", 1)
        assert pod.container["args"] == [f"services.{service}", part]
        assert pod.spec["serviceAccountName"] == f"{service}-account"
        assert pod.labels["app.kubernetes.io/name"] == service
    accounts = {account["metadata"]["name"] for account in cluster.all("ServiceAccount")}
    assert accounts == {f"{service}-account" for service in SERVICES}


def test_probes_ask_what_they_are_for(cluster: Cluster) -> None:
    for pod in ours(cluster):
        container = pod.container
        paths = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
        assert paths == {
            "startupProbe": "/health/live",
            # A dead database must not get every process restarted, so readiness alone asks for it.
            "livenessProbe": "/health/live",
            "readinessProbe": "/health/ready",
        }, pod.owner
        startup = container["startupProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] >= 300, pod.owner
        assert {container[name]["httpGet"]["port"] for name in paths} == {"http"}, pod.owner
    for pod in cluster.pods:
        if not pod.owner.startswith("Job/"):
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= pod.container.keys(), pod.owner


def test_a_process_may_end_what_it_has_begun(cluster: Cluster) -> None:
    for pod in ours(cluster):
        lingers_s = pod.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pod.spec["terminationGracePeriodSeconds"] > lingers_s + GRACE_S + CLEANING_UP_S, pod.owner
        # Requests go on to arrive until every node has heard that the pod is leaving.
        assert lingers_s >= (5 if pod.name.endswith("-api") else 0), pod.owner


def test_copies_are_spread_and_leave_one_by_one(cluster: Cluster) -> None:
    budgets = [budget["spec"] for budget in cluster.all("PodDisruptionBudget")]
    for pod in ours(cluster):
        [budget] = [spec for spec in budgets if matches(spec["selector"], pod.labels)]
        assert budget["maxUnavailable"] == 1, pod.owner
        assert pod.workload["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        spread = pod.spec["topologySpreadConstraints"]
        assert {rule["topologyKey"] for rule in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        assert all(matches(rule["labelSelector"], pod.labels) for rule in spread), pod.owner
        assert matches(pod.workload["spec"]["selector"], pod.labels), pod.owner
    assert len(budgets) == len(ours(cluster))


def test_nothing_runs_alone_in_production() -> None:
    assert {pod.name for pod in ours(rendered(BASE)) if pod.workload["spec"]["replicas"] < 2} == set()


def test_each_service_leads_to_one_workload_and_an_open_port(cluster: Cluster) -> None:
    for service in cluster.all("Service"):
        [pod] = [p for p in cluster.pods if service["spec"]["selector"].items() <= p.labels.items()]
        opened = {port["name"]: port["containerPort"] for port in pod.container["ports"]}
        for port in service["spec"]["ports"]:
            assert opened[port["targetPort"]] == port["port"], pod.owner


def test_images_are_of_one_known_version(cluster: Cluster) -> None:
    images = {pod.container["image"] for pod in cluster.pods}
    own = {image for image in images if image.startswith("asar:")}

    assert not [image for image in images if image.endswith(":latest") or ":" not in image]
    assert len(own) == 1
    assert images - own <= {"postgres:18"}


def test_the_base_is_of_this_version() -> None:
    version = tomllib.loads((CODE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert {pod.container["image"] for pod in rendered(BASE).pods} == {f"asar:{version}"}


# --- secrets ------------------------------------------------------------------------------------------------------


def made_secrets() -> dict[tuple[str, str], str]:
    """The Secrets of `python -m deploy.credentials kubernetes`, by name and key."""
    made = json.loads(credentials.kubernetes())
    for secret in made["items"]:
        kubernetes_validate.validate(secret, NEWEST, strict=True)
    return {(s["metadata"]["name"], key): value for s in made["items"] for key, value in s["data"].items()}


def test_no_secret_is_written_down(cluster: Cluster) -> None:
    assert cluster.all("Secret") == []
    for pod in cluster.pods:
        for entry in pod.container.get("env", []):
            if "PASSWORD" in entry["name"] or entry["name"] in {
                "ASAR_DATABASE_URL",
                "ASAR_OWNER_DATABASE_URL",
                "ASAR_NATS_URL",
            }:
                assert "secretKeyRef" in entry.get("valueFrom", {}), f"{pod.owner} {entry['name']}"
    for config in cluster.all("ConfigMap"):
        assert not [text for text in config["data"].values() if "@" in text], config["metadata"]["name"]


def test_the_secrets_that_are_asked_for_are_those_that_can_be_made() -> None:
    asked: set[tuple[str, str]] = set()
    mounted: set[str] = set()
    for pod in rendered(DEVELOPMENT).pods:
        references = [entry.get("valueFrom", {}).get("secretKeyRef") for entry in pod.container.get("env", [])]
        asked |= {(reference["name"], reference["key"]) for reference in references if reference}
        sources = [s for volume in pod.spec["volumes"] for s in volume.get("projected", {}).get("sources", [])]
        mounted |= {source["secret"]["name"] for source in sources}

    made = made_secrets()
    assert asked | {pair for pair in made if pair[0] in mounted} == made.keys()
    assert mounted == {"keys", "signing-key"}


def test_only_the_gateway_can_sign(cluster: Cluster) -> None:
    def secrets_of(pod: Pod) -> set[str]:
        sources = [s for volume in pod.spec["volumes"] for s in volume.get("projected", {}).get("sources", [])]
        return {source["secret"]["name"] for source in sources}

    for pod in ours(cluster, "api", "worker", "migrate"):
        assert secrets_of(pod) == {"keys"} | ({"signing-key"} if pod.name.startswith("gateway-") else set()), pod.owner
    assert ("keys", "internal.jwk") not in made_secrets()


def test_each_service_knows_its_own_database_alone(cluster: Cluster) -> None:
    for pod in ours(cluster, "api", "worker", "migrate"):
        [entry] = [e for e in pod.container["env"] if e["name"] == "ASAR_DATABASE_URL"]
        service = pod.name.rsplit("-", 1)[0]
        assert entry["valueFrom"]["secretKeyRef"] == {"name": f"{service}-database", "key": "url"}


def test_only_migrations_connect_as_the_owner(cluster: Cluster) -> None:
    for pod in ours(cluster, "api", "worker", "migrate"):
        service, part = pod.name.rsplit("-", 1)
        owner = [e for e in pod.container["env"] if e["name"] == "ASAR_OWNER_DATABASE_URL"]
        references = [entry["valueFrom"]["secretKeyRef"] for entry in owner]
        assert references == [{"name": f"{service}-database", "key": "owner_url"}] * (part == "migrate"), pod.owner


def test_each_service_knows_its_own_user_of_nats_alone(cluster: Cluster) -> None:
    for pod in ours(cluster, "api", "worker", "migrate"):
        [entry] = [e for e in pod.container["env"] if e["name"] == "ASAR_NATS_URL"]
        service = pod.name.rsplit("-", 1)[0]
        assert entry["valueFrom"]["secretKeyRef"] == {"name": f"{service}-nats", "key": "url"}


# --- the network --------------------------------------------------------------------------------------------------


def test_only_who_has_to_may_talk(cluster: Cluster) -> None:
    allowed = {("gateway-api", f"{owner}-api", 8000) for owner in OWNERS}
    allowed |= {(pod.name, "postgres", 5432) for pod in ours(cluster, "api", "worker", "migrate")}
    allowed |= {(pod.name, "nats", 4222) for pod in ours(cluster)}
    ports = [8000, 5432, 4222, 8222]

    found = {
        (source.name, target.name, port)
        for source in cluster.pods
        for target in cluster.pods
        for port in ports
        if cluster.may_talk(source, target, port)
    }

    # Servers by address are outside the base, and so outside its rules.
    names = {pod.name for pod in cluster.pods}
    assert found == {rule for rule in allowed if rule[1] in names}


def test_postgres_and_nats_may_be_in_another_namespace(cluster: Cluster) -> None:
    for name, server, port in (("postgres-clients", "postgres", 5432), ("nats-clients", "nats", 4222)):
        [policy] = [p["spec"] for p in cluster.all("NetworkPolicy") if p["metadata"]["name"] == name]
        [rule] = policy["egress"]
        assert rule["to"] == [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"asar/provides": server}}}]
        assert rule["ports"] == [{"port": port}]


def test_the_world_comes_in_by_the_gateway_only(cluster: Cluster) -> None:
    ingress, monitoring = {"asar/ingress": "allowed"}, {"asar/monitoring": "allowed"}

    assert [pod.name for pod in cluster.pods if cluster.admits(pod, ingress, 8000)] == ["gateway-api"]
    assert {pod.name for pod in cluster.pods if cluster.admits(pod, monitoring, 8000)} == {
        p.name for p in ours(cluster)
    }
    assert [pod.name for pod in cluster.pods if cluster.admits(pod, {}, 8000)] == []


def test_every_pod_may_ask_for_names_and_nothing_may_do_more_by_default(cluster: Cluster) -> None:
    everywhere = {
        p["metadata"]["name"]: p["spec"] for p in cluster.all("NetworkPolicy") if not p["spec"]["podSelector"]
    }

    assert everywhere["deny-all"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert {entry["port"] for rule in everywhere["names"]["egress"] for entry in rule["ports"]} == {53}
    assert everywhere.keys() == {"deny-all", "names"}


def test_no_file_is_left_out() -> None:
    """A manifest that no kustomization names would be believed to be in force."""
    written = {file for file in K8S.rglob("*.yaml") if file.name != "kustomization.yaml"}
    named = {
        (folder.parent / entry).resolve()
        for folder in K8S.rglob("kustomization.yaml")
        for entry in yaml.safe_load(folder.read_text(encoding="utf-8")).get("resources", [])
    }

    assert written - named == set()

"""Of what processes are told: settings that are read, and secrets that are written down nowhere."""

from deploy.local.installation import SERVICES
from services.gateway.settings import GatewaySettings
from shared.settings import Settings
from tests.deploy.cluster import Cluster, Pod
from tests.deploy.policies.registry import Complaints, policy

_ADDRESSES = {"ASAR_DATABASE_URL", "ASAR_OWNER_DATABASE_URL", "ASAR_NATS_URL"}
"""They hold passwords."""
_FOR_MIGRATIONS = "ASAR_OWNER_DATABASE_URL"
_HANDED_ON = {"listen_fd", "ready_fd"}
"""Open files of the process that starts another one on the same machine."""


def settings_class(service: str) -> type[Settings]:
    return GatewaySettings if service == "gateway" else Settings


def names(service: str) -> set[str]:
    """The variables that a service in a container is told: none for tests, nor what only `asar` can hand on."""
    fields = settings_class(service).model_fields.items()
    told = {name for name, field in fields if not (field.description or "").startswith("For tests:")}
    return {f"ASAR_{name.upper()}" for name in told - _HANDED_ON}


@policy()
def each_setting_is_named_and_no_other(cluster: Cluster) -> Complaints:
    for pod in cluster.ours("api", "worker", "migrate"):
        # A key that Secrets lack is no complaint of this policy.
        told = {entry["name"] for entry in pod.container.get("env", [])}
        for source in pod.container.get("envFrom", []):
            told |= cluster.config(source["configMapRef"]["name"]).keys()
        if pod.service in SERVICES:
            wanted = names(pod.service) - (set() if pod.part == "migrate" else {_FOR_MIGRATIONS})
            for name in sorted(wanted.symmetric_difference(name for name in told if name.startswith("ASAR_"))):
                yield f"{pod.owner}: {name} is not named, or nobody reads it"


@policy()
def no_secret_is_written_down(cluster: Cluster) -> Complaints:
    for body in cluster.all("Secret"):
        yield f"Secret/{body['metadata']['name']} is written down"
    for pod in cluster.pods:
        for entry in (entry for container in pod.containers for entry in container.get("env", [])):
            is_secret = "PASSWORD" in entry["name"] or entry["name"] in _ADDRESSES
            if is_secret and "secretKeyRef" not in entry.get("valueFrom", {}):
                yield f"{pod.owner} {entry['name']} is written down"
    for config in cluster.all("ConfigMap"):
        for key, text in config["data"].items():
            if "://" in text and "@" in text.split("://", 1)[1].split("/")[0]:
                yield f"ConfigMap/{config['metadata']['name']} {key} holds a password"


@policy()
def each_service_knows_its_own_addresses_alone(cluster: Cluster) -> Complaints:
    for pod in cluster.ours("api", "worker", "migrate"):
        database, nats = f"{pod.service}-database", f"{pod.service}-nats"
        wanted = {"ASAR_DATABASE_URL": (database, "url"), "ASAR_NATS_URL": (nats, "url")}
        # Migrations alone connect as who owns the tables.
        if pod.part == "migrate":
            wanted[_FOR_MIGRATIONS] = (database, "owner_url")
        for name in sorted(_ADDRESSES):
            said = pod.variable(name).get("valueFrom", {}).get("secretKeyRef")
            if (said and (said["name"], said["key"])) != wanted.get(name):
                yield f"{pod.owner} {name} comes from {said}"


@policy()
def only_the_gateway_can_sign(cluster: Cluster) -> Complaints:
    for pod in cluster.ours("api", "worker", "migrate"):
        mounted, wanted = _mounted(pod), {"keys", *({"signing-key"} if pod.service == "gateway" else ())}
        if mounted != wanted:
            yield f"{pod.owner} mounts the keys of {sorted(mounted)}"


def _mounted(pod: Pod) -> set[str]:
    volumes = pod.spec.get("volumes", [])
    sources = [source for volume in volumes for source in volume.get("projected", {}).get("sources", [])]
    projected = {source["secret"]["name"] for source in sources if "secret" in source}
    return projected | {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}

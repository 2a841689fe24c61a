"""Of each pod: what it may do, how long it lives, and where."""

from shared.server import GRACE_S
from tests.deploy.cluster import BASE, PRODUCTION, Cluster, Pod, matches
from tests.deploy.policies.registry import Complaints, policy

CLEANING_UP_S = 8
"""The database's pool and the connection to NATS are closed after the last request, each with a deadline."""
_VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret", "downwardAPI"}


@policy()
def each_pod_keeps_to_the_restricted_standard(cluster: Cluster) -> Complaints:
    for pod in cluster.pods:
        whole = pod.spec.get("securityContext", {})
        if whole.get("runAsNonRoot") is not True or not whole.get("runAsUser"):
            yield f"{pod.owner} may be root"
        if whole.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{pod.owner} may make any system call"
        if shared := {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys():
            yield f"{pod.owner} shares with its host: {sorted(shared)}"
        for volume in pod.spec.get("volumes", []):
            if kinds := volume.keys() - {"name"} - _VOLUMES:
                yield f"{pod.owner} mounts {sorted(kinds)}"
        for container in pod.containers + pod.spec.get("initContainers", []):
            what, own = f"{pod.owner} {container['name']}", container.get("securityContext", {})
            if own.get("allowPrivilegeEscalation") is not False:
                yield f"{what} may gain rights"
            if own.get("capabilities") != {"drop": ["ALL"]}:
                yield f"{what} has capabilities"
            if own.get("privileged") or own.get("runAsNonRoot") is False or own.get("runAsUser") == 0:
                yield f"{what} takes back what its pod gives up"
            if any("hostPort" in port for port in container.get("ports", [])):
                yield f"{what} opens a port of its host"


@policy()
def each_pod_has_no_more_than_it_needs(cluster: Cluster) -> Complaints:
    for pod in cluster.pods:
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.owner} may ask Kubernetes"
        # Otherwise the addresses of all services would become settings: ASAR_PORT=tcp://…
        if pod.spec.get("enableServiceLinks") is not False:
            yield f"{pod.owner} is told of every service by variables"
        for container in pod.containers:
            what = f"{pod.owner} {container['name']}"
            if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
                yield f"{what} may write into its image"
            resources = container.get("resources", {})
            if resources.get("requests", {}).keys() != {"cpu", "memory"}:
                yield f"{what} does not say what it needs"
            # No limit on the processor: it would slow down answers while processors stand idle.
            if resources.get("limits", {}).keys() != {"memory"}:
                yield f"{what} has other limits than one of memory"
    for pod in cluster.ours("api", "worker", "migrate"):
        if {"name": "tmp", "mountPath": "/tmp"} not in pod.container.get("volumeMounts", []):  # noqa: S108
            yield f"{pod.owner} has nowhere to write"


@policy()
def probes_ask_what_they_are_for(cluster: Cluster) -> Complaints:
    for pod in cluster.pods:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe not in pod.container and not pod.owner.startswith("Job/"):
                yield f"{pod.owner} has no {probe}"
    for pod in cluster.ours():
        asked = {name: pod.container.get(name, {}).get("httpGet", {}) for name in pod.container if "Probe" in name}
        if any(get.get("port") != "http" for get in asked.values()):
            yield f"{pod.owner} is asked at another port"
        # A dead database must not get every process restarted, so readiness alone asks for it.
        for name, path in (("startupProbe", "live"), ("livenessProbe", "live"), ("readinessProbe", "ready")):
            if asked.get(name, {}).get("path") != f"/health/{path}":
                yield f"{pod.owner}: its {name} asks {asked.get(name, {}).get('path')}"
        startup = pod.container.get("startupProbe", {})
        if startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3) < 300:
            yield f"{pod.owner} is given up before a slow database is there"


@policy()
def a_process_may_end_what_it_has_begun(cluster: Cluster) -> Complaints:
    for pod in cluster.ours():
        lingers_s = pod.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if pod.spec.get("terminationGracePeriodSeconds", 30) <= lingers_s + GRACE_S + CLEANING_UP_S:
            yield f"{pod.owner} is killed before it has ended"
        # Requests go on to arrive until every node has heard that the pod is leaving.
        if pod.part == "api" and lingers_s < 5:
            yield f"{pod.owner} refuses what is still sent to it"
    for pod in cluster.pods:
        if pod.owner.startswith("StatefulSet/") and pod.spec.get("terminationGracePeriodSeconds", 30) < 60:
            yield f"{pod.owner} is killed before it has written everything out"


@policy()
def copies_are_spread_and_leave_one_by_one(cluster: Cluster) -> Complaints:
    budgets = [budget["spec"] for budget in cluster.all("PodDisruptionBudget")]
    for pod in cluster.ours():
        of_it = [spec for spec in budgets if matches(spec["selector"], pod.labels)]
        if [spec.get("maxUnavailable") for spec in of_it] != [1]:
            yield f"{pod.owner} may lose more than one at a time, or none"
        rolling = pod.workload["spec"].get("strategy", {}).get("rollingUpdate")
        if rolling != {"maxUnavailable": 0, "maxSurge": 1}:
            yield f"{pod.owner} is replaced before the new one is there"
        spread = pod.spec.get("topologySpreadConstraints", [])
        if {rule["topologyKey"] for rule in spread} != {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}:
            yield f"{pod.owner} may be all in one place"
        if not all(matches(rule.get("labelSelector"), pod.labels) for rule in spread):
            yield f"{pod.owner} is spread by what it does not have"
        if not matches(pod.workload["spec"].get("selector"), pod.labels):
            yield f"{pod.owner} does not choose its own pods"


@policy(BASE, PRODUCTION)
def nothing_runs_alone(cluster: Cluster) -> Complaints:
    for pod in cluster.ours():
        scalers = [s["spec"] for kind in _SCALERS for s in cluster.all(kind) if _scales(s["spec"], pod)]
        fewest = scalers[0].get(_FEWEST[len(scalers[0].keys() & {"triggers"})], 1) if scalers else None
        if (pod.workload["spec"].get("replicas", 1) if fewest is None else fewest) < 2:
            yield f"{pod.owner} runs alone"


_SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
_FEWEST = ("minReplicas", "minReplicaCount")


def _scales(spec: dict[str, dict[str, str]], pod: Pod) -> bool:
    return spec["scaleTargetRef"]["name"] == pod.name


@policy()
def migrations_are_tried_again_and_given_up(cluster: Cluster) -> Complaints:
    """A lock is waited for a few seconds (`shared/migrations.py`), and whoever did not get it comes again."""
    for pod in cluster.ours("migrate"):
        spec = pod.workload["spec"]
        if spec.get("backoffLimit", 6) < 6 or pod.spec.get("restartPolicy") != "OnFailure":
            yield f"{pod.owner} is tried too few times"
        if not 60 <= spec.get("activeDeadlineSeconds", 0) <= 3600:
            yield f"{pod.owner} goes on for ever"
        if "ttlSecondsAfterFinished" not in spec:
            yield f"{pod.owner} stays for ever"


@policy(PRODUCTION)
def the_door_and_what_keeps_things_go_last(cluster: Cluster) -> Complaints:
    classes = {body["metadata"]["name"] for body in cluster.all("PriorityClass")}
    first = {
        pod.owner: pod.spec.get("priorityClassName") for pod in cluster.pods if pod.name in ("gateway-api", "nats")
    }
    first |= {pod.owner: pod.workload["spec"].get("priorityClassName") for pod in cluster.operated}
    for owner, priority in first.items():
        if priority not in classes:
            yield f"{owner} goes with the others when nodes are short"

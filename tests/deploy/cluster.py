"""A rendered cluster as the tests ask about it: its objects, its pods, and who may talk to whom."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.local.installation import CODE
from tests.deploy import chart, kustomization

Object = dict[str, Any]

K8S = CODE / "deploy" / "k8s"
BASE = K8S / "base"
DEVELOPMENT, PRODUCTION = (K8S / "overlays" / name for name in ("development", "production"))


@dataclass(frozen=True)
class Pod:
    """The pods of one workload."""

    owner: str
    """Kind and name, such as `Deployment/gateway-api`."""
    labels: dict[str, str]
    spec: Object
    workload: Object

    @property
    def containers(self) -> list[Object]:
        return self.spec["containers"]

    @property
    def container(self) -> Object:
        """The first one, which is the only one of our services."""
        return self.containers[0]

    @property
    def name(self) -> str:
        return self.owner.split("/")[1]

    @property
    def service(self) -> str:
        """The service of ours that it is of."""
        return self.name.rsplit("-", 1)[0]

    @property
    def part(self) -> str:
        """`api`, `worker` or `migrate`; nothing for the servers."""
        return self.labels.get("app.kubernetes.io/component", "")

    def variable(self, name: str) -> Object:
        """What is said of a variable of the first container."""
        return next((entry for entry in self.container.get("env", []) if entry["name"] == name), {})


class Cluster:
    """What a kustomization would put into a cluster, and what NATS's chart and the operator would add to it."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects
        self.pods = [_pod(body) for body in objects if "template" in body.get("spec", {})]
        self.pods += [_pod(chart.stateful_set(values)) for values in self.all("Values")]
        self.operated = [_operated(body) for body in self.all("Cluster")]
        """Pods that an operator makes: only their labels are known."""

    def all(self, kind: str) -> list[Object]:
        return [o for o in self.objects if o["kind"] == kind]

    def one(self, kind: str, name: str) -> Object | None:
        return next((o for o in self.all(kind) if o["metadata"]["name"] == name), None)

    def ours(self, *parts: str) -> list[Pod]:
        """The pods of our services, of all parts that run on unless some are named."""
        return [pod for pod in self.pods if pod.part in (parts or ("api", "worker"))]

    def pod(self, name: str) -> Pod:
        [found] = [pod for pod in self.pods if pod.name == name]
        return found

    def config(self, name: str) -> dict[str, str]:
        [found] = [o["data"] for o in self.all("ConfigMap") if o["metadata"]["name"] == name]
        return found

    def environment(self, pod: Pod, secrets: dict[tuple[str, str], str]) -> dict[str, str]:
        """The variables of a pod's process, as the kubelet would put them together."""
        variables: dict[str, str] = {}
        for source in pod.container.get("envFrom", []):
            variables |= self.config(source["configMapRef"]["name"])
        for entry in pod.container.get("env", []):
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            variables[entry["name"]] = secrets[reference["name"], reference["key"]] if reference else entry["value"]
        return variables

    def lets_out(self, source: Pod, target: Pod, port: int) -> bool:
        """Whether the network policies of a pod let it open a connection to another one of the namespace."""
        return self._passes("egress", "to", source, target, port)

    def lets_in(self, target: Pod, source: Pod, port: int) -> bool:
        """Whether the network policies of a pod let another one of the namespace open a connection to it."""
        return self._passes("ingress", "from", target, source, port)

    def admits(self, target: Pod, namespace: dict[str, str], port: int) -> bool:
        """Whether a pod of another namespace, whose labels are given, may open a connection."""
        return any(
            port in _ports(rule)
            and any(
                "podSelector" not in peer and matches(peer.get("namespaceSelector"), namespace)
                for peer in rule.get("from", [{"namespaceSelector": {}}])
            )
            for rule in self._rules("ingress", target)
        )

    def policies_of(self, pod: Pod) -> list[Object]:
        """The network policies that select a pod."""
        return [p for p in self.all("NetworkPolicy") if matches(p["spec"]["podSelector"], pod.labels)]

    def _passes(self, way: str, peers: str, own: Pod, other: Pod, port: int) -> bool:
        limited = any(way.title() in policy["spec"]["policyTypes"] for policy in self.policies_of(own))
        return not limited or any(
            port in _ports(rule) and any(_is_of(peer, other) for peer in rule.get(peers, [{"podSelector": {}}]))
            for rule in self._rules(way, own)
        )

    def _rules(self, way: str, pod: Pod) -> Iterator[Object]:
        for policy in self.policies_of(pod):
            yield from policy["spec"].get(way, [])


def matches(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether a label selector chooses what has these labels; an empty one chooses everything, none nothing."""
    if selector is None:
        return False
    # Ours say no more than this. What is not understood must not pass for "chooses nothing".
    if unknown := selector.keys() - {"matchLabels", "matchExpressions"}:
        raise NotImplementedError(str(unknown))
    expressions: list[Object] = selector.get("matchExpressions", [])
    if any(expression["operator"] != "In" for expression in expressions):
        raise NotImplementedError(str(expressions))
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )


@cache
def objects_of(folder: Path) -> list[Object]:
    """What is applied by a kustomization; in production also the values for NATS's chart, as one object more."""
    objects = kustomization.render(folder)
    if folder == PRODUCTION:
        values = yaml.safe_load(chart.VALUES.read_text(encoding="utf-8"))
        objects.append({"apiVersion": "helm", "kind": "Values", "metadata": {"name": "nats"}, **values})
    return objects


@cache
def rendered(folder: Path) -> Cluster:
    return Cluster(objects_of(folder))


def _ports(rule: Object) -> set[int]:
    """Those that a rule names; one that names none is for all of those that are used here."""
    return {entry["port"] for entry in rule.get("ports", [])} or {4222, 5432, 6222, 7777, 8000, 8222, 9187}


def _is_of(peer: Object, pod: Pod) -> bool:
    # A selector of namespaces alone chooses all pods in them, ours too if it is empty.
    if "podSelector" not in peer:
        return peer.get("namespaceSelector") == {}
    return matches(peer["podSelector"], pod.labels) and not peer.get("namespaceSelector")


def _pod(body: Object) -> Pod:
    template = body["spec"]["template"]
    return Pod(f"{body['kind']}/{body['metadata']['name']}", template["metadata"]["labels"], template["spec"], body)


def _operated(body: Object) -> Pod:
    """An instance that CloudNativePG makes of a Cluster."""
    name, more = body["metadata"]["name"], body["spec"].get("inheritedMetadata", {}).get("labels", {})
    return Pod(f"Cluster/{name}", {"cnpg.io/cluster": name, **more}, {"containers": []}, body)

"""A rendered cluster as the tests ask about it: its objects, its pods, and who may talk to whom."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deploy.local.installation import CODE
from tests.deploy import kustomization

Object = dict[str, Any]

K8S = CODE / "deploy" / "k8s"
BASE, DEVELOPMENT = K8S / "base", K8S / "overlays" / "development"


@dataclass(frozen=True)
class Pod:
    """The pods of one workload."""

    owner: str
    """Kind and name, such as `Deployment/gateway-api`."""
    labels: dict[str, str]
    spec: Object
    workload: Object

    @property
    def container(self) -> Object:
        [only] = self.spec["containers"]
        return only

    @property
    def name(self) -> str:
        return self.owner.split("/")[1]


class Cluster:
    """What a kustomization would put into a cluster."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects
        self.pods = [Pod(f"{o['kind']}/{o['metadata']['name']}", *_template(o), o) for o in objects if _has_pods(o)]

    def all(self, kind: str) -> list[Object]:
        return [o for o in self.objects if o["kind"] == kind]

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

    def may_talk(self, source: Pod, target: Pod, port: int) -> bool:
        """Whether the network policies let one pod of the namespace open a connection to another."""
        return self._passes("egress", "to", source, target, port) and self._passes(
            "ingress", "from", target, source, port
        )

    def admits(self, target: Pod, namespace: dict[str, str], port: int) -> bool:
        """Whether a pod of another namespace, whose labels are given, may open a connection."""
        return any(
            port in {entry["port"] for entry in rule["ports"]}
            and any(
                "podSelector" not in peer and matches(peer.get("namespaceSelector"), namespace) for peer in rule["from"]
            )
            for rule in self._rules("ingress", target)
        )

    def _passes(self, way: str, peers: str, own: Pod, other: Pod, port: int) -> bool:
        return any(
            port in {entry["port"] for entry in rule["ports"]}
            and any(
                "podSelector" in peer
                and matches(peer["podSelector"], other.labels)
                and not peer.get("namespaceSelector")
                for peer in rule[peers]
            )
            for rule in self._rules(way, own)
        )

    def _rules(self, way: str, pod: Pod) -> Iterator[Object]:
        policies = [p["spec"] for p in self.all("NetworkPolicy") if matches(p["spec"]["podSelector"], pod.labels)]
        if not any(way.title() in policy["policyTypes"] for policy in policies):
            raise AssertionError(f"{pod.owner} is open to everything: no policy limits its {way}")
        for policy in policies:
            yield from policy.get(way, [])


def matches(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether a label selector chooses what has these labels; an empty one chooses everything, none nothing."""
    if selector is None:
        return False
    if unknown := selector.keys() - {"matchLabels", "matchExpressions"}:
        raise NotImplementedError(str(unknown))
    expressions: list[Object] = selector.get("matchExpressions", [])
    if any(expression["operator"] != "In" for expression in expressions):
        raise NotImplementedError(str(expressions))
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )


@cache
def rendered(folder: Path) -> Cluster:
    return Cluster(kustomization.render(folder))


def _has_pods(body: Object) -> bool:
    return "template" in body.get("spec", {})


def _template(body: Object) -> tuple[dict[str, str], Object]:
    template = body["spec"]["template"]
    return template["metadata"]["labels"], template["spec"]

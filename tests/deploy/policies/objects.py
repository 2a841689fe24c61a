"""Of all objects: what they are made of, and that the system is whole."""

import json
import re
from functools import cache

import kubernetes_validate

from deploy.local.installation import SERVICES
from tests.deploy import schemas
from tests.deploy.cluster import DEVELOPMENT, PRODUCTION, Cluster, Object
from tests.deploy.policies.registry import Complaints, policy

OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()
_PINNED = re.compile(r"[\w./-]+(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})")
_CLUSTER_WIDE = {"Namespace", "PriorityClass"}


def applied(cluster: Cluster) -> list[Object]:
    """All objects but the values of NATS's chart."""
    return [body for body in cluster.objects if body["kind"] != "Values"]


@policy()
def each_object_is_of_its_schema(cluster: Cluster) -> Complaints:
    """Kubernetes' own by its published schemas, strictly; those of operators by our own of what we use of them."""
    for body in applied(cluster):
        what = f"{body['kind']}/{body['metadata']['name']}"
        if body["kind"] in schemas.OF_OPERATORS:
            yield from (f"{what}: {error}" for error in schemas.errors(body))
            continue
        yield from (f"{what}: {error}" for error in _errors(json.dumps(body)))


@cache
def _errors(body: str) -> list[str]:
    """What is wrong with an object of Kubernetes' own, written as JSON: most are looked at again and again."""
    found: list[str] = []
    for version in (OLDEST, NEWEST):
        try:
            kubernetes_validate.validate(json.loads(body), version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(error.message)
    return found


@policy()
def everything_is_in_one_restricted_namespace(cluster: Cluster) -> Complaints:
    namespaces = [body["metadata"].get("labels", {}) for body in cluster.all("Namespace")]
    if [labels.get("pod-security.kubernetes.io/enforce") for labels in namespaces] != ["restricted"]:
        yield "the namespace does not enforce the restricted standard"
    for body in applied(cluster):
        what = f"{body['kind']}/{body['metadata']['name']}"
        if body["kind"] not in _CLUSTER_WIDE and body["metadata"].get("namespace") != "asar":
            yield f"{what} is elsewhere"
        if body["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") != "asar":
            yield f"{what} is not said to be part of Asar"


@policy()
def each_service_has_all_its_parts(cluster: Cluster) -> Complaints:
    wanted = {f"{service}-{part}" for service in SERVICES for part in ("api", "worker", "migrate")}
    pods = cluster.ours("api", "worker", "migrate")
    for name in sorted(wanted.symmetric_difference(pod.name for pod in pods)):
        yield f"{name} is missing or too much"
    for pod in pods:
        if pod.container.get("args") != [f"services.{pod.service}", pod.part]:
            yield f"{pod.owner} runs {pod.container.get('args')}"
        if pod.labels.get("app.kubernetes.io/name") != pod.service:
            yield f"{pod.owner} is labelled as another service"
        if pod.spec.get("serviceAccountName") != f"{pod.service}-account":
            yield f"{pod.owner} has another identity"
        if cluster.one("ServiceAccount", f"{pod.service}-account") is None:
            yield f"{pod.owner} has an identity that there is not"


@policy()
def each_image_is_of_one_known_version(cluster: Cluster) -> Complaints:
    own: set[str] = set()
    for pod in cluster.pods:
        for container in pod.containers:
            image = container.get("image", "")
            if not _PINNED.fullmatch(image):
                yield f"{pod.owner} runs {image}, which may be another one tomorrow"
            if re.search(r"(^|/)asar[:@]", image):
                own.add(image)
    if len(own) != 1:
        yield f"Asar itself is of several versions: {sorted(own)}"
    for body in cluster.all("Cluster"):
        if not _PINNED.fullmatch(body["spec"].get("imageName", "")):
            yield "PostgreSQL is of no version"


@policy(PRODUCTION)
def our_image_is_named_by_its_digest(cluster: Cluster) -> Complaints:
    for pod in cluster.ours("api", "worker", "migrate"):
        if "@sha256:" not in pod.container.get("image", ""):
            yield f"{pod.owner} runs {pod.container.get('image')}: a tag can be moved"


@policy(DEVELOPMENT, PRODUCTION)
def each_service_leads_to_an_open_port(cluster: Cluster) -> Complaints:
    for service in cluster.all("Service"):
        name, spec = service["metadata"]["name"], service["spec"]
        chosen = [pod for pod in cluster.pods if spec["selector"].items() <= pod.labels.items()]
        if len(chosen) != 1:
            yield f"Service/{name} leads to {[pod.owner for pod in chosen]}"
            continue
        opened = {port["name"]: port["containerPort"] for port in chosen[0].container.get("ports", [])}
        for port in spec["ports"]:
            if opened.get(port["targetPort"]) != port["port"]:
                yield f"Service/{name}: nobody listens on {port['targetPort']} as {port['port']}"


@policy(PRODUCTION)
def the_way_in_leads_to_the_gateway_and_cuts_no_stream(cluster: Cluster) -> Complaints:
    routes = cluster.all("HTTPRoute")
    if len(routes) != 1:
        yield "there is not one way in"
    unbounded: set[str] = set()
    for rule in (rule for route in routes for rule in route["spec"]["rules"]):
        for backend in rule["backendRefs"]:
            service = cluster.one("Service", backend["name"])
            ports = {port["port"] for port in service["spec"]["ports"]} if service else set[int]()
            if backend["name"] != "gateway-api" or backend["port"] not in ports:
                yield f"the way in leads to {backend['name']}:{backend['port']}"
        if rule.get("timeouts", {}).get("request") == "0s":
            unbounded |= {match["path"]["value"] for match in rule["matches"]}
    for stream in sorted({"/v1/live", "/v1/messages"} - unbounded):
        yield f"{stream} would be cut"
    if "/" in unbounded:
        yield "a request may wait for ever"

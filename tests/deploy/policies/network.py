"""Of the network: nothing may talk to anything, and then what has to."""

from deploy.local.installation import OWNERS
from tests.deploy.cluster import DEVELOPMENT, PRODUCTION, Cluster
from tests.deploy.policies.registry import Complaints, policy

_PORTS = (8000, 5432, 4222, 6222, 8222, 7777, 9187)
_SERVERS = {"postgres": 5432, "nats": 4222}


@policy()
def both_ways_are_closed_but_for_names(cluster: Cluster) -> Complaints:
    of_all = {p["metadata"]["name"]: p["spec"] for p in cluster.all("NetworkPolicy") if not p["spec"]["podSelector"]}
    if of_all.pop("deny-all", None) != {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}:
        yield "what no rule speaks of is not closed"
    names = of_all.pop("names", {})
    kube_system = {"kubernetes.io/metadata.name": "kube-system"}
    for rule in names.get("egress", []):
        if [peer.get("namespaceSelector") for peer in rule.get("to", [])] != [{"matchLabels": kube_system}]:
            yield "names may be asked of anybody"
        if {entry.get("port") for entry in rule.get("ports", [])} != {53}:
            yield "more than names may be asked for"
    if not names.get("egress") or "ingress" in names:
        yield "no names may be asked for, or something may come in"
    for name in of_all:
        yield f"{name} opens something for every pod"


@policy()
def each_pod_has_rules_of_its_own(cluster: Cluster) -> Complaints:
    for pod in cluster.pods + cluster.operated:
        if not [rules for rules in cluster.policies_of(pod) if rules["spec"]["podSelector"]]:
            yield f"{pod.owner} is forgotten by the network's rules"


@policy()
def only_who_has_to_may_talk(cluster: Cluster) -> Complaints:
    pods = cluster.pods + cluster.operated
    allowed = {("gateway-api", f"{owner}-api", 8000) for owner in OWNERS}
    allowed |= {(pod.name, "postgres", 5432) for pod in cluster.ours("api", "worker", "migrate")}
    allowed |= {(pod.name, "nats", 4222) for pod in cluster.ours()}
    if cluster.operated:
        # Replication, how they are, and the servers' own agreement.
        allowed |= {("postgres", "postgres", 5432), ("postgres", "postgres", 8000), ("nats", "nats", 6222)}
    for source in pods:
        for target in pods:
            for port in _PORTS:
                has_to = (source.name, target.name, port) in allowed
                # Each of the two sides is to keep to it by itself.
                if cluster.lets_out(source, target, port) != has_to:
                    yield f"{source.owner} {'cannot reach' if has_to else 'is let out to'} {target.owner} on {port}"
                if cluster.lets_in(target, source, port) != has_to:
                    yield f"{target.owner} {'shuts out' if has_to else 'lets in'} {source.owner} on {port}"


@policy()
def each_rule_names_who_and_where(cluster: Cluster) -> Complaints:
    for body in cluster.all("NetworkPolicy"):
        name = body["metadata"]["name"]
        for way, peers in (("ingress", "from"), ("egress", "to")):
            for rule in body["spec"].get(way, []):
                if not rule.get(peers) or not rule.get("ports"):
                    yield f"{name} lets everybody, or everything, through its {way}"
                # Only PostgreSQL's instances ask Kubernetes and write to an object store.
                if name != "postgres" and any("ipBlock" in peer for peer in rule.get(peers, [])):
                    yield f"{name} reaches beyond the cluster"


@policy()
def the_world_comes_in_by_the_gateway_only(cluster: Cluster) -> Complaints:
    ours = {(pod.name, 8000) for pod in cluster.ours()}
    watched = ours | ({("postgres", 9187), ("nats", 7777)} if cluster.operated else set())
    operator = {("postgres", 5432), ("postgres", 8000)} if cluster.operated else set[tuple[str, int]]()
    for whose, labels, wanted in (
        ("an ingress controller", {"asar/ingress": "allowed"}, {("gateway-api", 8000)}),
        ("monitoring", {"asar/monitoring": "allowed"}, watched),
        ("the operator", {"kubernetes.io/metadata.name": "cnpg-system"}, operator),
        ("anybody", {"kubernetes.io/metadata.name": "default"}, set[tuple[str, int]]()),
    ):
        pods = cluster.pods + cluster.operated
        found = {(pod.name, port) for pod in pods for port in _PORTS if cluster.admits(pod, labels, port)}
        for name, port in sorted(found.symmetric_difference(wanted)):
            yield f"{whose} and {name}:{port} are wrongly connected, or not"


@policy()
def servers_may_be_in_another_namespace(cluster: Cluster) -> Complaints:
    for server, port in _SERVERS.items():
        found = cluster.one("NetworkPolicy", f"{server}-clients")
        wanted = {
            "to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"asar/provides": server}}}],
            "ports": [{"port": port}],
        }
        if found is None or found["spec"].get("egress") != [wanted]:
            yield f"{server} is not found by its label"


@policy(DEVELOPMENT, PRODUCTION)
def servers_say_what_they_provide(cluster: Cluster) -> Complaints:
    provided = {pod.labels.get("asar/provides") for pod in cluster.pods + cluster.operated}
    for server in sorted(_SERVERS.keys() - provided):
        yield f"nobody says that it provides {server}"

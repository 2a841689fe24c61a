"""What NATS's official chart makes of our values, as far as its documentation tells: the chart itself is not at hand.

It merges and patches what it is given into its own StatefulSet, and writes its configuration by three rules: what
stands between << and >> is written without quotes, a key that ends in `$include` becomes a directive, keys are sorted.
"""

import json
from typing import Any

from deploy.local.installation import CODE
from tests.deploy.kustomization import apply

Object = dict[str, Any]

VALUES = CODE / "deploy" / "k8s" / "components" / "nats-cluster" / "values.yaml"
LABELS = {"app.kubernetes.io/name": "nats", "app.kubernetes.io/component": "nats"}


def stateful_set(values: Object) -> Object:
    """The StatefulSet, its own parts reduced to those that matter to a policy."""
    store = values["config"]["jetstream"]["fileStore"]
    probe = {"httpGet": {"path": "/healthz", "port": "monitor"}}
    container = {
        "name": "nats",
        "image": "{repository}:{tag}".format(**values["container"]["image"]),
        "ports": [
            {"name": name, "containerPort": port}
            for name, port in (("nats", 4222), ("cluster", 6222), ("monitor", 8222))
        ],
        "env": [{"name": name, **_source(value)} for name, value in values["container"]["env"].items()],
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/nats-config"},
            {"name": "js", "mountPath": store["dir"]},
        ],
        "startupProbe": probe,
        "readinessProbe": probe,
        "livenessProbe": probe,
    }
    exporter = {
        "name": "prom-exporter",
        "image": "natsio/prometheus-nats-exporter:chart",
        "ports": [_port("prom", 7777)],
    }
    containers = [
        _changed(container, values["container"]),
        _changed({"name": "reloader", "image": "natsio/nats-server-config-reloader:chart"}, values["reloader"]),
        _changed(exporter, values["promExporter"]),
    ]
    pod = values["podTemplate"]
    spread = [{"topologyKey": key, **rule} for key, rule in pod["topologySpreadConstraints"].items()]
    template = {
        "metadata": {"labels": dict(LABELS)},
        "spec": {
            "terminationGracePeriodSeconds": pod["terminationGracePeriodSeconds"],
            "topologySpreadConstraints": [{**rule, "labelSelector": {"matchLabels": dict(LABELS)}} for rule in spread],
            "volumes": [{"name": "config", "configMap": {"name": "nats-config"}}, {"name": "pid", "emptyDir": {}}],
            "containers": containers,
        },
    }
    claim = {"spec": {"resources": {"requests": {"storage": store["pvc"]["size"]}}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "nats", "labels": dict(LABELS)},
        "spec": {
            "replicas": values["config"]["cluster"]["replicas"],
            "selector": {"matchLabels": dict(LABELS)},
            "template": _changed(template, pod),
            "volumeClaimTemplates": [claim],
        },
    }


def configuration(values: Object) -> Object:
    """What the chart puts into `nats.conf`, before it is written down."""
    config, jetstream = values["config"], values["config"]["jetstream"]
    own = {
        "server_name": "<< $POD_NAME >>",
        "port": 4222,
        "http_port": 8222,
        "cluster": {
            "name": "nats",
            "port": 6222,
            "no_advertise": True,
            "routes": [f"nats://nats-{number}.nats-headless:6222" for number in range(config["cluster"]["replicas"])],
        },
        "jetstream": _merged(
            {
                "store_dir": jetstream["fileStore"]["dir"],
                "max_memory_store": f"<< {jetstream['memoryStore']['maxSize']} >>",
                "max_file_store": f"<< {jetstream['fileStore']['maxSize']} >>",
            },
            jetstream.get("merge", {}),
        ),
    }
    return _merged(own, config["merge"])


def written(config: Object, indent: str = "") -> str:
    """The configuration as the chart writes it down."""
    lines = (f"{indent}  {_line(key, value, indent + '  ')}\n" for key, value in sorted(config.items()))
    return "{\n" + "".join(lines) + indent + "}"


def _line(key: str, value: Any, indent: str) -> str:
    if key.endswith("$include"):
        return f"include {value};"
    match value:
        case dict():
            text = written(value, indent)
        case str() if value.startswith("<<"):
            text = value.removeprefix("<<").removesuffix(">>").strip()
        case _:
            text = json.dumps(value)
    return f'"{key}": {text}'


def _source(value: Any) -> Object:
    return value if isinstance(value, dict) else {"value": str(value)}


def _port(name: str, number: int) -> Object:
    return {"name": name, "containerPort": number}


def _changed(own: Object, said: Object) -> Object:
    whole = _merged(own, said.get("merge", {}))
    for step in said.get("patch", []):
        apply(step, whole)
    return whole


def _merged(own: Object, more: Object) -> Object:
    whole = dict(own)
    for key, value in more.items():
        there = whole.get(key)
        whole[key] = _merged(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return whole

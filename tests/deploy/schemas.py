"""Schemas of what operators add to Kubernetes, as far as it is used here: a field that is not in them is refused.

They are our reading of the operators' documentation, not their own schemas, which are not at hand without a cluster. So
they find what is misspelt, misplaced or of another type, and would not find what we have misread.
"""

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_NUMBER: Schema = {"type": "integer", "minimum": 0}
_YES: Schema = {"type": "boolean"}
_QUANTITY: Schema = {"type": "string", "pattern": r"^\d+(m|Ki|Mi|Gi|Ti)?$"}
_STRINGS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}


def _one_of(*words: str) -> Schema:
    return {"enum": list(words)}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of, "minItems": 1}


def _closed(properties: dict[str, Schema], *optional: str) -> Schema:
    """An object with these fields and no other, all of them needed but the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _some(**properties: Schema) -> Schema:
    """An object with some of these fields."""
    return _closed(properties, *properties)


_NAMED = _closed({"name": _TEXT})
_KEY = _closed({"name": _TEXT, "key": _TEXT})
_SELECTOR = _closed({"matchLabels": _STRINGS})
_RESOURCES = _some(requests=_some(cpu=_QUANTITY, memory=_QUANTITY), limits=_some(cpu=_QUANTITY, memory=_QUANTITY))
_VOLUME = _closed({"size": _QUANTITY, "storageClass": _TEXT}, "storageClass")
_PLUGIN = {"name": _TEXT, "parameters": _STRINGS}

_CLUSTER = _some(
    instances=_NUMBER,
    imageName=_TEXT,
    inheritedMetadata=_some(labels=_STRINGS, annotations=_STRINGS),
    enablePDB=_YES,
    primaryUpdateStrategy=_one_of("unsupervised", "supervised"),
    primaryUpdateMethod=_one_of("switchover", "restart"),
    stopDelay=_NUMBER,
    smartShutdownTimeout=_NUMBER,
    priorityClassName=_TEXT,
    affinity=_some(enablePodAntiAffinity=_YES, podAntiAffinityType=_one_of("required", "preferred"), topologyKey=_TEXT),
    topologySpreadConstraints=_list(
        _closed(
            {
                "topologyKey": _TEXT,
                "maxSkew": _NUMBER,
                "whenUnsatisfiable": _one_of("ScheduleAnyway", "DoNotSchedule"),
                "labelSelector": _SELECTOR,
            }
        )
    ),
    storage=_VOLUME,
    walStorage=_VOLUME,
    resources=_RESOURCES,
    enableSuperuserAccess=_YES,
    postgresql=_some(
        synchronous=_closed(
            {
                "method": _one_of("any", "first"),
                "number": _NUMBER,
                "dataDurability": _one_of("required", "preferred"),
                "failoverQuorum": _YES,
            }
        ),
        # Of any name, but always a text: the operator refuses a number.
        parameters=_STRINGS,
        pg_hba=_list(_TEXT),
    ),
    bootstrap=_some(
        initdb=_some(
            encoding=_TEXT,
            localeProvider=_one_of("builtin", "icu", "libc"),
            builtinLocale=_TEXT,
            locale=_TEXT,
            dataChecksums=_YES,
            postInitSQL=_list(_TEXT),
            postInitApplicationSQL=_list(_TEXT),
        ),
        recovery=_closed({"source": _TEXT, "recoveryTarget": _some(targetTime=_TEXT)}, "recoveryTarget"),
    ),
    externalClusters=_list(_closed({"name": _TEXT, "plugin": _closed(_PLUGIN)})),
    managed=_closed(
        {
            "roles": _list(
                _closed(
                    {
                        "name": _TEXT,
                        "ensure": _one_of("present", "absent"),
                        "login": _YES,
                        "passwordSecret": _NAMED,
                    }
                )
            )
        }
    ),
    plugins=_list(_closed(_PLUGIN | {"isWALArchiver": _YES})),
)
_SCHEDULED_BACKUP = _closed(
    {
        "schedule": _TEXT,
        "immediate": _YES,
        "backupOwnerReference": _one_of("none", "self", "cluster"),
        "target": _one_of("primary", "prefer-standby"),
        "cluster": _NAMED,
        "method": _one_of("plugin"),
        "pluginConfiguration": _NAMED,
    },
    "immediate",
    "target",
)
_COMPRESSION = _one_of("gzip", "bzip2", "lz4", "snappy", "xz", "zstd")
_OBJECT_STORE = _closed(
    {
        "retentionPolicy": {"type": "string", "pattern": r"^\d+[dwm]$"},
        "configuration": _closed(
            {
                "destinationPath": {"type": "string", "pattern": "^s3://"},
                "endpointURL": {"type": "string", "pattern": "^https://"},
                "s3Credentials": _closed({"accessKeyId": _KEY, "secretAccessKey": _KEY}),
                "wal": _some(compression=_COMPRESSION, maxParallel=_NUMBER),
                "data": _some(compression=_COMPRESSION, jobs=_NUMBER),
            }
        ),
        "instanceSidecarConfiguration": _some(resources=_RESOURCES),
    }
)
_SCALED_OBJECT = _closed(
    {
        "scaleTargetRef": _NAMED,
        "minReplicaCount": _NUMBER,
        "maxReplicaCount": _NUMBER,
        "pollingInterval": _NUMBER,
        "cooldownPeriod": _NUMBER,
        "fallback": _closed(
            {
                "failureThreshold": _NUMBER,
                "replicas": _NUMBER,
                "behavior": _one_of("static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"),
            }
        ),
        "triggers": _list(
            _closed(
                {
                    "type": _one_of("prometheus"),
                    "metricType": _one_of("AverageValue", "Value"),
                    "metadata": _closed(
                        {
                            "serverAddress": {"type": "string", "pattern": "^https?://"},
                            "query": _TEXT,
                            "threshold": {"type": "string", "pattern": r"^\d+$"},
                        }
                    ),
                }
            )
        ),
    }
)
_HTTP_ROUTE = _closed(
    {
        "parentRefs": _list(_closed({"name": _TEXT, "namespace": _TEXT, "sectionName": _TEXT})),
        "hostnames": _list({"type": "string", "pattern": r"^[a-z0-9.-]+$"}),
        "rules": _list(
            _closed(
                {
                    "matches": _list(
                        _closed({"path": _closed({"type": _one_of("Exact", "PathPrefix"), "value": _TEXT})})
                    ),
                    "timeouts": _some(request={"type": "string", "pattern": r"^(\d{1,5}(h|m|s|ms))+$"}),
                    "backendRefs": _list(_closed({"name": _TEXT, "port": _NUMBER})),
                }
            )
        ),
    }
)

_EXPRESSION = _closed({"key": _TEXT, "operator": _one_of("In"), "values": _list(_TEXT)})
_RELABELING = _closed(
    {"action": _one_of("replace"), "targetLabel": _TEXT, "replacement": _TEXT, "sourceLabels": _list(_TEXT)},
    "replacement",
    "sourceLabels",
)
_POD_MONITOR = _closed(
    {
        "selector": _closed({"matchExpressions": _list(_EXPRESSION)}),
        "podMetricsEndpoints": _list(
            _closed(
                {
                    "port": _TEXT,
                    "path": _TEXT,
                    "interval": {"type": "string", "pattern": r"^\d+s$"},
                    "authorization": _closed({"credentials": _KEY}),
                    "relabelings": _list(_RELABELING),
                },
                "authorization",
            )
        ),
    }
)

OF_OPERATORS = {
    "Cluster": ("postgresql.cnpg.io/v1", _CLUSTER),
    "ScheduledBackup": ("postgresql.cnpg.io/v1", _SCHEDULED_BACKUP),
    "ObjectStore": ("barmancloud.cnpg.io/v1", _OBJECT_STORE),
    "ScaledObject": ("keda.sh/v1alpha1", _SCALED_OBJECT),
    "PodMonitor": ("monitoring.coreos.com/v1", _POD_MONITOR),
    "HTTPRoute": ("gateway.networking.k8s.io/v1", _HTTP_ROUTE),
}
_METADATA = _closed({"name": _TEXT, "namespace": _TEXT, "labels": _STRINGS, "annotations": _STRINGS}, "annotations")


def errors(body: dict[str, Any]) -> Iterator[str]:
    """What is wrong with an object of an operator."""
    version, spec = OF_OPERATORS[body["kind"]]
    whole = _closed({"apiVersion": _one_of(version), "kind": _TEXT, "metadata": _METADATA, "spec": spec})
    for error in Draft202012Validator(whole).iter_errors(body):
        yield f"{error.json_path}: {error.message}"

"""Renders `deploy/k8s` as `kubectl kustomize` does, where there is no kubectl: just what is used there, and no more.

Whatever it does not know it refuses. A test compares the two wherever kubectl is installed.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_KNOWN = {"apiVersion", "kind", "namespace", "namePrefix", "resources", "components", "configMapGenerator"}
_KNOWN |= {"images", "labels", "patches"}
_CLUSTER_WIDE = {"Namespace", "PriorityClass"}
_HASH_LETTERS = str.maketrans("013ae", "ghkmt")
"""Kustomize spells hashes without what could be read as a word."""

Object = dict[str, Any]


class NotSupported(Exception):
    """A kustomization uses what this renderer does not know."""


@dataclass
class _Resource:
    """One object on its way through the kustomizations, with the names it has had."""

    body: Object
    names: set[str] = field(default_factory=set[str])
    generated: bool = False

    @property
    def kind(self) -> str:
        return self.body["kind"]

    @property
    def name(self) -> str:
        return self.body["metadata"]["name"]

    def rename(self, name: str) -> None:
        self.names.add(self.name)
        self.body["metadata"]["name"] = name

    def is_called(self, pattern: str) -> bool:
        return any(re.fullmatch(pattern, name) for name in {self.name, *self.names})


def render(folder: Path) -> list[Object]:
    """All objects of a kustomization.

    Raises:
        NotSupported: see there.
    """
    resources: list[_Resource] = []
    _accumulate(folder.resolve(), resources)
    for resource in resources:
        if resource.generated:
            named = resource.name
            resource.rename(f"{named}-{_hash(resource.body)}")
            _point_anew(resources, "ConfigMap", named, resource.name)
    return [resource.body for resource in resources]


def _accumulate(folder: Path, resources: list[_Resource]) -> None:
    """Add what a folder describes; a component also changes what is there before it."""
    said = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    if unknown := said.keys() - _KNOWN:
        raise NotSupported(f"{folder}: {unknown}")
    own = resources if said["kind"] == "Component" else list[_Resource]()
    for entry in said.get("resources", []):
        _add(folder / entry, own)
    for entry in said.get("components", []):
        _accumulate((folder / entry).resolve(), own)
    for generator in said.get("configMapGenerator", []):
        _generate(folder, generator, own)
    for patch in said.get("patches", []):
        _patch(patch, own)
    _put_into_namespace(said.get("namespace"), own)
    _prefix(said.get("namePrefix", ""), own)
    for rule in said.get("labels", []):
        _label(rule, own)
    for image in said.get("images", []):
        _tag(image, own)
    if own is not resources:
        resources.extend(own)


def _add(entry: Path, resources: list[_Resource]) -> None:
    if entry.is_dir():
        _accumulate(entry.resolve(), resources)
    else:
        resources.extend(_Resource(body) for body in yaml.safe_load_all(entry.read_text(encoding="utf-8")))


def _put_into_namespace(namespace: str | None, resources: list[_Resource]) -> None:
    for resource in resources:
        if namespace is not None and resource.kind not in _CLUSTER_WIDE:
            resource.body["metadata"]["namespace"] = namespace


def _prefix(prefix: str, resources: list[_Resource]) -> None:
    for resource in resources if prefix else ():
        named = resource.name
        resource.rename(prefix + named)
        _point_anew(resources, resource.kind, named, resource.name)


def _generate(folder: Path, generator: Object, resources: list[_Resource]) -> None:
    if unknown := generator.keys() - {"name", "literals", "files", "behavior", "options"}:
        raise NotSupported(f"{folder}: {unknown}")
    content = dict(literal.split("=", 1) for literal in generator.get("literals", []))
    content |= {file: (folder / file).read_text(encoding="utf-8") for file in generator.get("files", [])}
    match generator.get("behavior", "create"):
        case "merge":
            [there] = [r for r in resources if r.kind == "ConfigMap" and r.is_called(re.escape(generator["name"]))]
            there.body["data"] |= content
        case "create":
            head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}}
            plain = generator.get("options", {}) == {"disableNameSuffixHash": True}
            resources.append(_Resource({**head, "data": content}, generated=not plain))
        case other:
            raise NotSupported(f"{folder}: {other}")


def _patch(patch: Object, resources: list[_Resource]) -> None:
    target = patch["target"]
    if unknown := {*target.keys() - {"kind", "name"}, *patch.keys() - {"target", "patch"}}:
        raise NotSupported(str(unknown))
    for resource in resources:
        if re.fullmatch(target["kind"], resource.kind) and resource.is_called(target.get("name", ".*")):
            for step in yaml.safe_load(patch["patch"]):
                apply(step, resource.body)


def apply(step: Object, body: Object) -> None:
    """One operation of RFC 6902.

    Raises:
        NotSupported: it is another operation than those that are used, or its place is missing.
    """
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
    place: Any = body
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place[part]
    match step["op"], place:
        case "add", list() if last == "-":
            place.append(step["value"])
        case "replace", list():
            place[int(last)] = step["value"]
        case "add", dict():
            place[last] = step["value"]
        case "replace", dict() if last in place:
            place[last] = step["value"]
        case "remove", dict() if last in place:
            del place[last]
        case "remove", list():
            del place[int(last)]
        case _:
            raise NotSupported(str(step))


def _label(rule: Object, resources: list[_Resource]) -> None:
    if unknown := rule.keys() - {"pairs", "includeSelectors", "includeTemplates"}:
        raise NotSupported(str(unknown))
    selectors, templates = rule.get("includeSelectors", False), rule.get("includeTemplates", False)
    for resource in resources:
        if selectors and resource.kind == "NetworkPolicy":
            raise NotSupported("selectors of network policies")
        resource.body["metadata"].setdefault("labels", {}).update(rule["pairs"])
        spec: Object = resource.body.get("spec", {})
        if (selectors or templates) and "template" in spec:
            for template in (spec["template"], *spec.get("volumeClaimTemplates", [])):
                template["metadata"].setdefault("labels", {}).update(rule["pairs"])
        if selectors:
            for constraint in spec.get("template", {}).get("spec", {}).get("topologySpreadConstraints", []):
                constraint["labelSelector"]["matchLabels"].update(rule["pairs"])
            if "selector" in spec:
                spec["selector"].get("matchLabels", spec["selector"]).update(rule["pairs"])


def _tag(image: Object, resources: list[_Resource]) -> None:
    if unknown := image.keys() - {"name", "newName", "newTag", "digest"}:
        raise NotSupported(str(unknown))
    name = image.get("newName", image["name"])
    now = f"{name}@{image['digest']}" if "digest" in image else f"{name}:{image['newTag']}"
    for resource in resources:
        for place in _walk(resource.body):
            if isinstance(place.get("image"), str) and re.split("[:@]", place["image"])[0] == image["name"]:
                place["image"] = now


def _point_anew(resources: list[_Resource], kind: str, before: str, after: str) -> None:
    """Let what refers to a renamed object by name refer to its new one."""
    for resource in resources:
        for place in _walk(resource.body):
            if kind == "ServiceAccount" and place.get("serviceAccountName") == before:
                place["serviceAccountName"] = after
            if kind == "ConfigMap":
                for way in ("configMapRef", "configMap"):
                    if place.get(way, {}).get("name") == before:
                        place[way]["name"] = after


def _walk(place: Any) -> Iterator[Object]:
    if isinstance(place, dict):
        yield place
        for inner in place.values():
            yield from _walk(inner)
    elif isinstance(place, list):
        for inner in place:
            yield from _walk(inner)


def _hash(config_map: Object) -> str:
    # Kustomize has room for the name too, and leaves it empty.
    hashed = {"data": config_map["data"], "kind": "ConfigMap", "name": ""}
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return hashlib.sha256(text.encode()).hexdigest()[:10].translate(_HASH_LETTERS)

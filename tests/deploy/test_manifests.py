"""How `deploy/k8s` is rendered, and that what it refers to is there; what must be so of it all is in `policies`."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy import credentials
from deploy.local.installation import CODE
from tests.deploy import kustomization
from tests.deploy.cluster import BASE, DEVELOPMENT, K8S, PRODUCTION, Cluster, rendered
from tests.deploy.policies import POLICIES
from tests.deploy.policies.objects import NEWEST

FOLDERS = [BASE, DEVELOPMENT, PRODUCTION]


# Debian has no package of kubectl; where there is none, all else is asked of the tests' own renderer.
@pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl is not installed; the tests' own renderer was used"
)
@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_kubectl_renders_the_same(folder: Path) -> None:
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True)

    def by_name(objects: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
        return {(one["kind"], one["metadata"]["name"]): one for one in objects}

    assert by_name(list(yaml.safe_load_all(done.stdout))) == by_name(kustomization.render(folder))


@pytest.mark.parametrize("recovers", [False, True], ids=["as it is", "recovering"])
def test_the_overlay_of_the_how_to_keeps_to_the_policies(tmp_path: Path, recovers: bool) -> None:
    text = (CODE / "docs" / "how-to" / "run-on-kubernetes.md").read_text(encoding="utf-8")
    overlay, *_, components = re.findall(r"```yaml\n(apiVersion: kustomize.*?|components:.*?)```", text, re.DOTALL)
    up = os.path.relpath(CODE, tmp_path.resolve())
    said = (overlay + components * recovers).replace("../asar", up)
    (tmp_path / "kustomization.yaml").write_text(said, encoding="utf-8")
    values = [body for body in rendered(PRODUCTION).objects if body["kind"] == "Values"]

    cluster = Cluster(kustomization.render(tmp_path) + values)

    kept = [policy for policy in POLICIES.values() if PRODUCTION in policy.folders]
    assert [complaint for policy in kept for complaint in policy.complaints(cluster)] == []
    assert {pod.container["image"].split("@")[0] for pod in cluster.ours()} == {"registry.your.example/asar"}
    [postgres] = cluster.all("Cluster")
    assert ("recovery" in postgres["spec"]["bootstrap"]) == recovers


def test_the_base_is_of_this_version() -> None:
    version = tomllib.loads((CODE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert {pod.container["image"] for pod in rendered(BASE).pods} == {f"asar:{version}"}


def made_secrets(overlay: str = "development") -> dict[tuple[str, str], str]:
    """The Secrets of `python -m deploy.credentials kubernetes`, by name and key."""
    made = json.loads(credentials.kubernetes(overlay))
    for secret in made["items"]:
        kubernetes_validate.validate(secret, NEWEST, strict=True)
    return {(s["metadata"]["name"], key): value for s in made["items"] for key, value in s["data"].items()}


@pytest.mark.parametrize("folder", [DEVELOPMENT, PRODUCTION], ids=["development", "production"])
def test_the_secrets_that_are_asked_for_are_those_that_can_be_made(folder: Path) -> None:
    cluster, made = rendered(folder), made_secrets(folder.name)
    mounted = {name for pod in cluster.pods for name in _mounted(pod.spec["volumes"])}

    asked = {pair for pod in cluster.pods for pair in _asked(pod.spec["containers"])} | _asked_by_operators(cluster)

    assert mounted == {"keys", "signing-key"}
    assert asked | {pair for pair in made if pair[0] in mounted} == made.keys()


def _mounted(volumes: list[dict[str, Any]]) -> set[str]:
    return {source["secret"]["name"] for volume in volumes for source in volume.get("projected", {}).get("sources", [])}


def _asked(containers: list[dict[str, Any]]) -> set[tuple[str, str]]:
    entries = (entry for container in containers for entry in container.get("env", []))
    references = (entry.get("valueFrom", {}).get("secretKeyRef") for entry in entries)
    return {(reference["name"], reference["key"]) for reference in references if reference}


def _asked_by_operators(cluster: Cluster) -> set[tuple[str, str]]:
    roles = (role for body in cluster.all("Cluster") for role in body["spec"]["managed"]["roles"])
    asked = {(role["passwordSecret"]["name"], key) for role in roles for key in ("username", "password")}
    stores = (body["spec"]["configuration"]["s3Credentials"] for body in cluster.all("ObjectStore"))
    # Whoever lends the store gives its keys out.
    assert {(key["name"], key["key"]) for store in stores for key in store.values()} <= {
        ("backups", "ACCESS_KEY_ID"),
        ("backups", "ACCESS_SECRET_KEY"),
    }
    return asked


def test_no_file_is_left_out() -> None:
    """A manifest that no kustomization names would be believed to be in force."""
    written = {file for file in K8S.rglob("*.yaml") if file.name not in {"kustomization.yaml", "values.yaml"}}
    named = {
        (folder.parent / entry).resolve()
        for folder in K8S.rglob("kustomization.yaml")
        for entry in yaml.safe_load(folder.read_text(encoding="utf-8")).get("resources", [])
    }

    assert written - named == set()

"""Everything keeps to the policies, and each policy finds what is broken on purpose."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.cluster import Cluster, objects_of, rendered
from tests.deploy.kustomization import apply
from tests.deploy.policies import POLICIES, Policy

KEPT = [(policy, folder) for policy in POLICIES.values() for folder in policy.folders]
BROKEN: dict[str, dict[str, list[Any]]] = yaml.safe_load(Path(__file__).with_name("broken.yaml").read_text("utf-8"))
MISTAKES = [(name, what, change) for name, of_it in BROKEN.items() for what, change in of_it.items()]


@pytest.mark.parametrize(("policy", "folder"), KEPT, ids=[f"{folder.name}-{policy.name}" for policy, folder in KEPT])
def test_a_policy_is_kept(policy: Policy, folder: Path) -> None:
    assert list(policy.complaints(rendered(folder))) == []


@pytest.mark.parametrize(("name", "change"), [(m[0], m[2]) for m in MISTAKES], ids=[f"{m[0]}-{m[1]}" for m in MISTAKES])
def test_what_is_broken_is_refused(name: str, change: list[Any]) -> None:
    policy = POLICIES[name]
    before = objects_of(policy.folders[-1])
    after = with_mistake(before, *change)

    assert after != before
    assert any(True for _ in policy.complaints(Cluster(after)))


def test_each_policy_has_been_seen_to_refuse() -> None:
    assert BROKEN.keys() == POLICIES.keys()


def with_mistake(before: list[dict[str, Any]], target: str, *step: Any) -> list[dict[str, Any]]:
    """The objects, one of them changed by an operation, a path and perhaps a value, or else gone."""
    after = copy.deepcopy(before)
    [changed] = [body for body in after if f"{body['kind']}/{body['metadata']['name']}" == target]
    if not step:
        return [body for body in after if body is not changed]
    apply(dict(zip(("op", "path", "value"), step, strict=False)), changed)
    return after

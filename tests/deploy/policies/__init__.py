"""What must be so of all that `deploy/k8s` would put into a cluster: each policy is a function that says what is not.

`test_policies.py` asks each of what lies there, and of what has been broken on purpose.
"""

from tests.deploy.policies import durability, network, objects, pods, scaling, secrets
from tests.deploy.policies.registry import POLICIES, Policy

__all__ = ["POLICIES", "Policy", "durability", "network", "objects", "pods", "scaling", "secrets"]

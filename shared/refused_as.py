"""What a violated constraint means: declared where the constraint is."""

from typing import Any

from shared.errors import Refusal

REFUSED_AS = "refused_as"


def refused_as(refusal: type[Refusal]) -> dict[str, Any]:
    """For a constraint's or index's `info`: the refusal that a caller hears when it is violated."""
    return {REFUSED_AS: refusal}

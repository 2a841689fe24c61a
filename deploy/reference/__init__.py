"""The reference under `docs/reference`, made from the code: `make docs` writes it, a test sees that it is current."""

from deploy.reference import commands, documents, figures, messages, metrics, problems, settings


def render() -> dict[str, bytes]:
    """Every page of the reference, by its file name."""
    return {
        "openapi.json": documents.openapi(),
        "asyncapi.json": documents.asyncapi(),
        "settings.md": settings.page().encode(),
        "problems.md": problems.page().encode(),
        "messages.md": messages.page().encode(),
        "figures.md": figures.page().encode(),
        "commands.md": commands.page().encode(),
        "metrics.md": metrics.page().encode(),
    }

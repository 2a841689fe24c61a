"""The documents as others read them: Redocly's linter and AsyncAPI's own parser find no error."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.local.installation import CODE
from deploy.local.page import _node, _npm
from deploy.reference import documents

LINT = CODE / "tests" / "lint"
INSTALL = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]


@pytest.fixture(scope="module")
def node() -> str:
    """Node, with the linters installed beside `lint.mjs`: 15 seconds and 80 MB, once."""
    found = _node()
    if not (LINT / "node_modules" / ".package-lock.json").exists():
        environment = os.environ | {"PATH": f"{found.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        subprocess.run([*_npm(found), *INSTALL], cwd=LINT, env=environment, check=True, capture_output=True)
    return str(found)


def findings(node: str, folder: Path, openapi: bytes, asyncapi: bytes) -> list[str]:
    files = folder / "openapi.json", folder / "asyncapi.json"
    for file, content in zip(files, (openapi, asyncapi), strict=True):
        file.write_bytes(content)
    done = subprocess.run([node, "lint.mjs", *map(str, files)], cwd=LINT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_documents_are_without_error(node: str, tmp_path: Path) -> None:
    assert findings(node, tmp_path, documents.openapi(), documents.asyncapi()) == []


def test_the_linters_would_notice(node: str, tmp_path: Path) -> None:
    openapi = documents.openapi().replace(b'"operationId": "read_centre"', b'"operationId": "list_centres"')
    asyncapi = documents.asyncapi().replace(b'"action": "receive"', b'"action": "hope"')

    found = findings(node, tmp_path, openapi, asyncapi)

    assert {line.split()[0] for line in found} == {"openapi", "asyncapi"}

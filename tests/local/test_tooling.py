"""What a fresh clone stands on: the Makefile's settings, the lock files, the page's build."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from deploy.local import page
from deploy.local.installation import CODE

LOCKS = ("requirements.lock", "requirements-image.lock")


def dry_run(*words: str) -> str:
    """What make would do."""
    return subprocess.run(["make", "--dry-run", *words], cwd=CODE, capture_output=True, text=True, check=True).stdout


def test_a_data_folder_may_have_spaces_and_quotes() -> None:
    assert "asar up --port 9000 --data-dir '/some where/it'\\''s here'" in dry_run(
        "up", "PORT=9000", "DATA_DIR=/some where/it's here"
    )
    assert "asar demo --port 8080 \n" in dry_run("demo") + "\n"


def test_each_target_is_explained() -> None:
    shown = subprocess.run(["make"], cwd=CODE, capture_output=True, text=True, check=True).stdout

    assert {"demo", "up", "test", "check", "bench", "docs", "lock"} <= set(re.findall(r"make (\w+)", shown))


@pytest.mark.parametrize("name", LOCKS)
def test_locks_have_hashes_and_name_no_host(name: str) -> None:
    text = (CODE / name).read_text(encoding="utf-8")

    pinned = re.split(r"\n(?=[a-z])", text.strip())
    assert [pin for pin in pinned if "--hash=sha256:" not in pin or "==" not in pin] == []
    assert "://" not in text


def test_the_lock_has_what_the_project_declares() -> None:
    project = tomllib.loads((CODE / "pyproject.toml").read_text(encoding="utf-8"))
    declared = {*project["project"]["dependencies"], *project["dependency-groups"]["dev"]}
    declared |= set(project["build-system"]["requires"])

    names = {re.split(r"[\[<>=~; ]", requirement)[0].lower() for requirement in declared}

    locked = set(re.findall(r"^([a-z0-9-]+)==", (CODE / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE))
    assert names - locked == set()


def test_the_image_is_made_of_the_versions_that_are_tested() -> None:
    tested, image = (
        set(re.findall(r"^([a-z0-9-]+==\S+)", (CODE / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in LOCKS
    )

    assert image - tested == set()


def executable(file: Path, script: str) -> None:
    """Write a program for the shell."""
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page's source with a Node and npm that count their builds."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "package.json").write_text("{}", encoding="utf-8")
    (tmp_path / "bin").mkdir()
    executable(tmp_path / "bin" / "node", "echo v22.12.0")
    executable(
        tmp_path / "bin" / "npm",
        f'[ "$1" = ci ] || {{ mkdir -p "{tmp_path}/built"; echo page > "{tmp_path}/built/index.html"; }}\n'
        f'echo "$*" >> "{tmp_path}/calls"',
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(page, "SOURCE", tmp_path / "source")
    monkeypatch.setattr(page, "BUILT", tmp_path / "built")
    return tmp_path


def test_the_page_is_built_again_only_when_its_source_has_changed(workshop: Path) -> None:
    assert [page.build(), page.build()] == [True, False]

    (workshop / "source" / "App.svelte").write_text("<h1>Asar</h1>", encoding="utf-8")
    (workshop / "source" / "node_modules").mkdir()
    (workshop / "source" / "node_modules" / "noise.js").touch()

    assert [page.build(), page.build()] == [True, False]
    assert (workshop / "calls").read_text(encoding="utf-8").count("ci --ignore-scripts") == 2


def test_a_failing_build_says_why(workshop: Path) -> None:
    executable(workshop / "bin" / "npm", "echo 'no such module'; exit 3")

    with pytest.raises(page.CannotBuild, match="no such module"):
        page.build()


def test_an_old_node_gives_way_to_the_wheels(workshop: Path) -> None:
    executable(workshop / "bin" / "node", "echo v20.20.2")
    executable(workshop / "bin" / "npm", "echo 'the wrong npm'; exit 3")
    # The wheel's npm reads this folder as it is: there is no lock file to install from.
    with pytest.raises(page.CannotBuild, match="package-lock"):
        page.build()

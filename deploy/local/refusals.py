"""Why the local system cannot run, each as one sentence for the person at the terminal."""


class CannotRun(Exception):
    """Asar cannot run here; the message says why and what to do, and is printed without a traceback."""

"""`python -m services.events [api|relay|consume|migrate|audit|redrive]`; none = the first three in one process."""

import sys

from services.events.app import Events

if __name__ == "__main__":
    Events().run(sys.argv[1:])

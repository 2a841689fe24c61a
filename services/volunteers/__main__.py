"""`python -m services.volunteers [api|relay|consume|migrate|audit|redrive]`; none = the first three in one process."""

import sys

from services.volunteers.app import Volunteers

if __name__ == "__main__":
    Volunteers().run(sys.argv[1:])

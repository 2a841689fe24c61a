"""`python -m services.charity [api|relay|consume|migrate|audit|redrive]`; none = the first three in one process."""

import sys

from services.charity.app import Charity

if __name__ == "__main__":
    Charity().run(sys.argv[1:])

"""`python -m services.gateway [api|consume|migrate|rebuild|redrive|link]`; none = api and consume in one process."""

import sys

from services.gateway.app import Gateway

if __name__ == "__main__":
    Gateway().run(sys.argv[1:])

"""`python -m tests.faults.simulation 17` runs one seed again and tells what happened, step by step."""

import sys

from tests.faults.simulation.world import World

World(int(sys.argv[1]), say=print).run()

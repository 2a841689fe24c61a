"""`asar targets`: where Prometheus finds the processes of this machine, for its `file_sd_configs`."""

import json

from deploy.local import state
from deploy.local.installation import SERVICES, Installation
from deploy.local.refusals import CannotRun


def targets(installation: Installation) -> str:
    """A file of targets with the labels that our rules ask for. Ports are kept, so it stays right.

    Raises:
        CannotRun: it is not running, so nobody knows on which port the gateway will be.
    """
    running = state.read(installation.state_file)
    if running is None:
        raise CannotRun(f"Asar has not run on {installation.data_dir} yet. Start it with `asar up`.")
    return json.dumps(
        [
            {
                "targets": [f"127.0.0.1:{running.parts[service].port}"],
                "labels": {"job": "asar", "service": service, "part": "all"},
            }
            for service in SERVICES
        ],
        indent=1,
    )

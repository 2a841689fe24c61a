"""`asar targets`: where Prometheus finds the processes of this machine, for its `file_sd_configs`."""

import json

from deploy.local.installation import SERVICES, Installation


def targets(installation: Installation) -> str:
    """A file of targets with the labels that our rules ask for. Ports are kept, so it stays right."""
    return json.dumps(
        [
            {
                "targets": [f"127.0.0.1:{installation.port_of(service)}"],
                "labels": {"job": "asar", "service": service, "part": "all"},
            }
            for service in SERVICES
        ],
        indent=1,
    )

"""Every way to change who may come in. Each subject is a module: `accounts`, `sessions`, `keys`, and the `throttle`."""

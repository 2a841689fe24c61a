"""How Asar is put on a machine: locally, in containers, with the demo network in it, and how it is operated."""

"""The one door, and the live dashboard.

Owns: the dashboard's read model, folded from messages alone; later identities, keys and webhook subscriptions.
Announces: nothing.
Listens to: everything that volunteers, events and charity announce.
"""

"""Outbox, relay, pull loop, consumer, topology, audit: delivery at least once, in order per aggregate, effect once."""

"""The whole system on this machine: embedded PostgreSQL and NATS, the services, one supervisor."""

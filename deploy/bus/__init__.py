"""NATS as Asar runs it: its configuration, the users of its accounts, and subscribers from outside."""

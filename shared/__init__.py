"""What every service stands on: transactions, messages, refusals, access, time. Knows no service."""

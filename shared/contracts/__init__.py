"""What travels between services and to everyone else: one file per publishing service, and the envelope of all."""

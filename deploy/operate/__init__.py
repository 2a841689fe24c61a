"""The operator's command: start the system, look at it, prove its figures, put messages right."""

"""Who calls, what they may do and for which centres."""

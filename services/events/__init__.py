"""When and where people meet.

Owns: events, shifts, sign-ups with attendance, headcounts of those without registration.
Announces: `shared/contracts/events.py`.
Listens to: centres (where an event can be), volunteers (whether someone may take a shift), campaigns.
"""

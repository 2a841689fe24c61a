"""Who offers time.

Owns: centres, assignments of coordinators, volunteers with their consent, declared estimates, hours earned.
Announces: `shared/contracts/volunteers.py`.
Listens to: attendance recorded by events, from which hours are earned once the shift has ended.
"""

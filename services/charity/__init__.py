"""Money and goods given, and whom they helped.

Owns: campaigns, donations, refunds, disbursements, the double-entry ledger, families with their members, deliveries.
Announces: `shared/contracts/charity.py`.
Listens to: centres opened, changed and closed by volunteers, so that each record knows its centre's region.
"""

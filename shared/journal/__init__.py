"""Who did what to whose data, when and why: an append-only table in which each row seals the one before.

It holds no values: not what was read, only that it was. The database itself numbers the rows, one writer after the
other, and links each to the one before by a hash, so that nobody can leave one out or slip one in unseen: `asar verify`
computes the chain anew.
"""

from shared.journal.chain import Checked, Head, check
from shared.journal.entries import Outcome, Purpose, entries_of, write
from shared.journal.tables import CREATE, DROP, remember_journal

__all__ = [
    "CREATE",
    "DROP",
    "Checked",
    "Head",
    "Outcome",
    "Purpose",
    "check",
    "entries_of",
    "remember_journal",
    "write",
]

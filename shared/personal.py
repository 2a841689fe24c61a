"""What is asked and answered about a person's data, the same in every service: read in clear, erased."""

from uuid import UUID

from pydantic import Field

from shared.errors import RuleBroken
from shared.forms import Form, View, WholeNumber
from shared.journal import Purpose


class ErasureNotConfirmed(RuleBroken):
    """To confirm an erasure, repeat the number of the record that is meant."""


class PurposeMissing(RuleBroken):
    """Who asks for another person's data says what for."""


class Disclose(Form):
    """What is sealed is to be read in clear."""

    purpose: Purpose = Field(description="Why. It is written down with who asked and when, and kept.")


class Export(Form):
    """All that is known of a person is to be given out."""

    purpose: Purpose | None = Field(
        None, description="Why; kept with who asked and when. Who asks for their own need not say."
    )

    def require_purpose(self, *, own: bool) -> None:
        """Raises: PurposeMissing."""
        if self.purpose is None and not own:
            raise PurposeMissing(pointer="/purpose")


class Erase(Form):
    """A person's data is to go, for good."""

    purpose: Purpose = Field(description="Why. It is written down with who asked and when, and kept.")
    number: WholeNumber | None = Field(
        None,
        description="The record's short number, once more: it says that the one that is meant was looked at. "
        "Absent, nothing happens, and the answer tells what would.",
    )

    def is_confirmed(self, number: int | None) -> bool:
        """Whether this is the deed, and not the question.

        Raises:
            ErasureNotConfirmed: another number was given than the record's.
        """
        if self.number is not None and self.number != number:
            raise ErasureNotConfirmed(pointer="/number")
        return self.number is not None


class KeptView(View):
    """Something that stays, and why."""

    what: str
    number: int | None = Field(description="How many; absent where this service does not know.")
    because: str


class ErasureView(View):
    """What has gone and what stays; before it is confirmed, what would."""

    id: UUID
    done: bool
    erased: list[str] = Field(description="Fields that are empty from then on.")
    kept: list[KeptView]


COUNTED = "It counts in the network's figures, under an id that names nobody."
ACCOUNTED = "It is an accounting record, which the law has kept, under an id that names nobody."
ALWAYS_KEPT = (
    KeptView(what="messages", number=None, because="They have carried ids, codes and days only, never who it was."),
    KeptView(
        what="journal", number=None, because="Who read and erased the data must stay provable; it holds no values."
    ),
    KeptView(what="backups", number=None, because="They are overwritten in their turn; who restores one erases again."),
)


def kept(*items: tuple[str, int | None, str]) -> list[KeptView]:
    """What stays of a record, if there is any of it, and what always does."""
    return [*(KeptView(what=w, number=n, because=b) for w, n, b in items if n != 0), *ALWAYS_KEPT]

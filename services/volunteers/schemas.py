"""Request forms and views. A form is also the command's argument."""

import re
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, EmailStr, Field, ValidatorFunctionWrapHandler, WrapValidator, validate_email
from pydantic_core import PydanticCustomError

from shared.forms import Code, Form, LongText, OptionalId, PastDay, RegionCode, Text, Trilingual, View, WholeNumber
from shared.jobs.job import JobView
from shared.people import Iin, Phone

CentreKind = Literal[
    "volunteer_centre",
    "friendship_house",
    "ethnocultural_association",
    "mothers_council",
    "public_consent_council",
    "youth_organisation",
    "other",
]
Language = Literal["kk", "ru", "en"]
ConsentHow = Literal["paper", "online", "oral_recorded"]
Status = Literal["applied", "approved", "active", "paused", "left", "rejected"]
_USUAL_LOCAL_PART = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")
_LOCAL_PART_MAX = 64
"""RFC 5321, section 4.5.3.1.1."""


@lru_cache(maxsize=1024)
def _is_plain_domain(domain: str) -> bool:
    try:
        return validate_email(f"a@{domain}")[1] == f"a@{domain}"
    except PydanticCustomError:
        return False


def _email(text: Any, check: ValidatorFunctionWrapHandler) -> str:
    # A sheet has thousands of addresses and a dozen of domains, and the library looks at each letter of both.
    if isinstance(text, str):
        local, _, domain = text.partition("@")
        if len(local) <= _LOCAL_PART_MAX and _USUAL_LOCAL_PART.fullmatch(local) and _is_plain_domain(domain):
            return text
    return str(check(text))


Email = Annotated[EmailStr, WrapValidator(_email), Field(max_length=254), AfterValidator(str.lower)]


class OpenCentre(Form):
    """A centre that begins to work."""

    id: OptionalId = None
    kind: CentreKind
    name: Trilingual
    region: RegionCode
    parent_id: UUID | None = None
    opened_on: PastDay | None = Field(default=None, description="Today when absent.")


class ChangeCentre(Form):
    """What a centre is from now on. Its region stays: figures of the past belong to it."""

    kind: CentreKind
    name: Trilingual
    parent_id: UUID | None = None


class CloseCentre(Form):
    """The end of a centre's work."""

    closed_on: PastDay | None = Field(default=None, description="The last day; today when absent.")


class CentreView(View):
    """A centre."""

    id: UUID
    version: int
    kind: str
    name: dict[str, str]
    region: str
    parent_id: UUID | None
    opened_on: date
    closed_on: date | None


class MakeAssignment(Form):
    """A person takes on a direction of a centre's work."""

    id: OptionalId = None
    person_name: Text
    person_id: UUID | None = Field(
        default=None, description="The same person in another assignment; a new one when absent."
    )
    centre_id: UUID
    direction: Code
    role: Literal["leader", "coordinator"]
    from_on: PastDay | None = Field(default=None, description="Today when absent.")


class EndAssignment(Form):
    """The end of an assignment."""

    until_on: PastDay | None = Field(default=None, description="The last day; today when absent.")


class EndAssignmentRow(EndAssignment):
    """One of several endings."""

    assignment_id: UUID


class AssignmentView(View):
    """An assignment."""

    id: UUID
    version: int
    person_id: UUID
    person_name: str
    centre_id: UUID
    region: str
    direction: str
    role: str
    from_on: date
    until_on: date | None


class GiveConsent(Form):
    """Consent to the keeping of personal data: the law (94-V) wants it provable."""

    version: Text = Field(description="Which text was agreed to.")
    given_on: PastDay
    how: ConsentHow
    by: Literal["self", "parent", "guardian"] = "self"
    by_name: Text | None = None


class RegisterVolunteer(Form):
    """A person who offers their time."""

    id: OptionalId = None
    full_name: Text = Field(description="As written in the documents.")
    language: Language = Field(description="In which the person likes to be addressed.")
    born_on: PastDay
    iin: Iin | None = None
    phone: Phone | None = None
    email: Email | None = None
    centre_id: UUID
    directions: Annotated[list[Code], Field(max_length=20)]
    skills: Annotated[list[Text], Field(max_length=50, default_factory=list)]
    languages_spoken: Annotated[list[Code], Field(max_length=20, default_factory=list)]
    affiliation: Text | None = None
    emergency_contact: LongText | None = None
    consent: GiveConsent
    applied_on: PastDay | None = Field(default=None, description="Today when absent; the day on the paper otherwise.")


class ImportDefaults(Form):
    """What goes for all rows of a sheet that do not say it themselves."""

    centre_id: UUID | None = None
    language: Language | None = None
    directions: Annotated[list[Code], Field(max_length=20, default_factory=list)]
    applied_on: PastDay | None = None
    consent_version: Text | None = None
    consent_given_on: PastDay | None = None
    consent_how: ConsentHow | None = None


class ImportView(JobView):
    """An import of volunteers."""

    columns: dict[str, str] = Field(description="Which column of the file fills which field.")
    ignored: list[str] = Field(description="Columns of the file that were not recognised.")


class Decide(Form):
    """A decision on a volunteer's status."""

    decided_on: PastDay | None = Field(default=None, description="From when it counts; today when absent.")
    reason: LongText | None = None


class DecideRow(Decide):
    """One of several decisions."""

    volunteer_id: UUID


class VolunteerOutline(View):
    """A volunteer without the person: what the work needs, and nothing of who it is."""

    id: UUID
    version: int
    number: int
    status: str
    centre_id: UUID
    region: str
    directions: list[str]
    applied_on: date
    status_on: date
    registered_at: datetime


class VolunteerView(VolunteerOutline):
    """A volunteer as staff see them day by day: found and told apart, with what is sealed masked."""

    full_name: str
    language: str
    born_in: str = Field(description="Year and month.")
    iin: str | None = Field(description="Its last four digits.")
    phone: str | None = Field(description="Its beginning and its last two digits.")
    email: str | None = Field(description="Its first letter and its domain.")
    skills: list[str]
    languages_spoken: list[str]
    sealed: list[str] = Field(description="Further fields that are kept; a disclosure shows them.")


class OwnVolunteerView(VolunteerOutline):
    """A volunteer as they see themselves."""

    full_name: str
    language: str
    born_on: date
    iin: str | None
    phone: str | None
    email: str | None
    skills: list[str]
    languages_spoken: list[str]
    affiliation: str | None
    emergency_contact: str | None


AnyVolunteerView = OwnVolunteerView | VolunteerView | VolunteerOutline
"""Which of them depends on who asks."""


class StatusReasonView(View):
    """Why a status was changed."""

    on: date
    status: str
    reason: str


class VolunteerDisclosure(View):
    """What is sealed of a volunteer, in clear."""

    id: UUID
    full_name: str
    born_on: date
    iin: str | None
    phone: str | None
    email: str | None
    affiliation: str | None
    emergency_contact: str | None
    reasons: list[StatusReasonView]


class SearchVolunteers(Form):
    """What is looked for. A body, not a query string: names and phones do not belong into addresses."""

    name: Text | None = Field(
        default=None, description="Beginnings of the words of a name, in any of the scripts people type."
    )
    phone: Phone | None = None
    iin: Iin | None = None
    email: Email | None = None
    number: WholeNumber | None = None
    centre_id: UUID | None = None
    direction: Code | None = None
    skill: Text | None = None
    status: Status | None = None
    limit: Annotated[int, Field(strict=True, ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=1000)] | None = None


class DeclareVolunteers(Form):
    """A centre's estimate of those who help without registration."""

    id: OptionalId = None
    centre_id: UUID
    number: WholeNumber
    declared_on: PastDay | None = Field(default=None, description="Today when absent.")
    source: Text


class DeclarationView(View):
    """A declared estimate."""

    id: UUID
    centre_id: UUID
    region: str
    number: int
    before: int
    declared_on: date
    source: str


class HoursEntryView(View):
    """Time earned, or taken back where negative."""

    id: UUID
    volunteer_id: UUID
    centre_id: UUID
    direction: str | None
    minutes: int
    signup_id: UUID
    earned_on: date


class HoursView(View):
    """Hours of a volunteer or a centre in a period: the sum and the entries behind it, newest first."""

    minutes: int
    entries: list[HoursEntryView]

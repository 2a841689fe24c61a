"""Forms and views of families and their members."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from services.charity.schemas.days import Today
from services.charity.schemas.wrong import wrong
from shared.forms import Code, Form, LongText, OptionalId, PastDay, RegionCode, Text, View
from shared.people import Iin

FamilyStatus = Literal["draft", "verified", "archived"]
Relation = Literal["head", "spouse", "child", "parent", "other"]
Categories = Annotated[list[Code], Field(max_length=20, description="Codes of /v1/categories.")]


class AddMember(Form):
    """A person who belongs to a family."""

    id: OptionalId = None
    full_name: Text = Field(description="As written in the documents.")
    born_on: PastDay
    iin: Iin | None = None
    relation: Relation
    categories: Categories = Field(default_factory=list[str])
    from_on: PastDay | None = Field(None, description="First day in the family; absent: from the beginning.")


class RegisterFamily(Form):
    """A family in need."""

    id: OptionalId = None
    centre_id: UUID
    region: RegionCode | None = Field(None, description="Where it lives, if not in the centre's region.")
    address: LongText | None = None
    categories: Categories
    referred_by: Text | None = None
    members: Annotated[list[AddMember], Field(min_length=1, max_length=40)]
    registered_on: PastDay | None = Today

    @model_validator(mode="after")
    def _one_head_and_nobody_twice(self) -> Self:
        if sum(member.relation == "head" for member in self.members) != 1:
            raise wrong("heads")
        for name in ("iin", "id"):
            given = [value for member in self.members if (value := getattr(member, name)) is not None]
            if len(set(given)) < len(given):
                raise wrong("member_twice", field=name)
        return self


class VerifyFamily(Form):
    """Somebody has made sure that the family is in need."""

    verified_on: PastDay | None = Today


class VerifyFamilyRow(VerifyFamily):
    """The same in a batch."""

    family_id: UUID


class ArchiveFamily(Form):
    """The family is not looked after any more."""

    archived_on: PastDay | None = Today
    reason: Text | None = None


class ArchiveFamilyRow(ArchiveFamily):
    """The same in a batch."""

    family_id: UUID


class EndMembership(Form):
    """A person does not belong to the family any more."""

    until_on: Annotated[PastDay | None, Field(description="The last day; today when absent.")] = None


class MemberOutline(View):
    """A person's time in a family, without the person."""

    id: UUID
    from_on: date | None
    until_on: date | None


class MemberView(MemberOutline):
    """A person of a family, as those see them day by day who look after it."""

    name: str = Field(description="The first letter of each word.")
    born_in: str = Field(description="Year and month.")
    iin: str | None = Field(description="Its last four digits.")
    relation: str


AnyMemberView = MemberView | MemberOutline
"""The latter for who may not know, and of who was erased."""


class _Family(View):
    id: UUID
    version: int
    number: int
    status: str
    centre_id: UUID
    region: str
    lives_in: str
    registered_on: date
    recorded_at: datetime


class FamilyOutline(_Family):
    """A family without its people: what the work needs, and nothing of who they are."""

    members: list[MemberOutline]


class FamilyView(_Family):
    """A family, as those see it day by day who look after it."""

    members: list[AnyMemberView]
    sealed: list[str] = Field(description="Further fields that are kept; a disclosure shows them.")


AnyFamilyView = FamilyView | FamilyOutline
"""Which of them depends on who asks."""


class MemberDisclosure(View):
    """A person of a family, in clear."""

    id: UUID
    full_name: str | None
    born_on: date | None
    iin: str | None
    relation: str
    categories: list[str]


class FamilyDisclosure(View):
    """What is sealed of a family and its people, in clear."""

    id: UUID
    address: str | None
    referred_by: str | None
    categories: list[str]
    members: list[MemberDisclosure]
    reasons: list[str] = Field(description="Why its status was changed, where somebody said so.")

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


class MemberView(View):
    """A person of a family, as those see them who look after it; the IIN is masked."""

    id: UUID
    full_name: str
    born_on: date
    iin: str | None
    relation: str
    categories: list[str]
    from_on: date | None
    until_on: date | None


class FamilyView(View):
    """A family, as those see it who look after it."""

    id: UUID
    version: int
    number: int
    status: str
    centre_id: UUID
    region: str
    lives_in: str
    address: str | None
    referred_by: str | None
    categories: list[str]
    registered_on: date
    recorded_at: datetime
    members: list[MemberView]

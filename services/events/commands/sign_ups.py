"""Sign-ups: a place in a shift taken, given back, and whether the volunteer came."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.events import domain, queries
from services.events.domain import Span
from services.events.schemas import RecordAttendance, SignUpForShift
from services.events.tables import Event, KnownVolunteer, Shift, SignUp
from shared.access.permissions import Permission
from shared.access.principal import EVERYTHING, Principal, system
from shared.clock import civil_day
from shared.contracts.events import AttendanceRecorded, SignUpConfirmed, SignUpWithdrawn
from shared.database import Transaction
from shared.errors import AlreadyExists, OutOfReach
from shared.ids import new_id
from shared.people import age_on


@dataclass(frozen=True)
class _Wanted:
    """A shift to be filled, and what its event and centre say."""

    shift: Shift
    event_status: str
    centre_id: UUID
    region: str
    changeover: timedelta

    @property
    def span(self) -> Span:
        return Span(self.shift.starts_at, self.shift.ends_at)


@dataclass
class Roster:
    """What the rule of sign-up looks at: some volunteers and shifts, both locked, and who is busy when.

    Volunteers are locked before shifts and each kind in the order of ids, so no two rosters wait for each other. Only
    then are the sign-ups read: an earlier look would miss what the other one, waited for, has just made.
    """

    tx: Transaction
    volunteers: dict[UUID, KnownVolunteer] = field(default_factory=dict[UUID, KnownVolunteer])
    shifts: dict[UUID, _Wanted] = field(default_factory=dict[UUID, _Wanted])
    by_id: dict[UUID, SignUp] = field(default_factory=dict[UUID, SignUp])
    busy: dict[UUID, list[SignUp]] = field(default_factory=dict[UUID, list[SignUp]])
    """The confirmed sign-ups of each volunteer around the time of these shifts, of events that are not cancelled."""
    hidden: set[UUID] = field(default_factory=set[UUID])
    """Those of them that a form asks for again, and that are not the caller's to see."""

    async def read(self, forms: Iterable[SignUpForShift]) -> None:
        forms = list(forms)
        self.by_id, self.busy = {}, {}
        self.volunteers = await self.tx.load(KnownVolunteer, [form.volunteer_id for form in forms], lock=True)
        rows = await self.tx.fetch(queries.SHIFTS_TO_FILL, shifts=list({form.shift_id for form in forms}))
        self.shifts = {
            row["id"]: _Wanted(
                shift=queries.row_of(Shift, row),
                event_status="cancelled" if row["called_off"] else row["event_status"],
                centre_id=row["centre_id"],
                region=row["region"],
                changeover=timedelta(minutes=row["changeover_minutes"]),
            )
            for row in rows
        }
        if not self.shifts:
            return
        spans = [wanted.span for wanted in self.shifts.values()]
        margin = max(wanted.changeover for wanted in self.shifts.values())
        # A volunteer is busy at whichever centre it is.
        async with self.tx.reaching(EVERYTHING):
            rows = await self.tx.fetch(
                queries.PLACES,
                ids=[form.id for form in forms if form.id is not None],
                volunteers=list(self.volunteers),
                begin=min(span.starts_at for span in spans) - margin,
                end=max(span.ends_at for span in spans) + margin,
            )
        for row in rows:
            sign_up = queries.row_of(SignUp, row)
            self.by_id[sign_up.id] = sign_up
            if sign_up.withdrawn_at is None and row["event_status"] != "cancelled":
                self.busy.setdefault(sign_up.volunteer_id, []).append(sign_up)
        found = {same.id for form in forms if (same := self._same(form)) is not None}
        self.hidden = found - (await self.tx.load(SignUp, found)).keys()

    def known(self, form: SignUpForShift) -> SignUp | None:
        """The sign-up that this request has made before, or that gives the volunteer a place in the shift already.

        Raises:
            AlreadyExists: the id is another sign-up's.
            OutOfReach
        """
        same = self._same(form)
        if same is not None and same.id in self.hidden:
            raise OutOfReach
        if same is not None and (same.shift_id, same.volunteer_id) != (form.shift_id, form.volunteer_id):
            raise AlreadyExists
        return same

    def _same(self, form: SignUpForShift) -> SignUp | None:
        if form.id is not None and form.id in self.by_id:
            return self.by_id[form.id]
        return next((s for s in self.busy.get(form.volunteer_id, []) if s.shift_id == form.shift_id), None)

    def require_free(self, volunteer_id: UUID, wanted: _Wanted) -> None:
        """Raises: ShiftsOverlap."""
        for other in self.busy.get(volunteer_id, []):
            if wanted.span.overlaps(Span(other.starts_at, other.ends_at), changeover=wanted.changeover):
                raise domain.ShiftsOverlap(pointer="/shift_id")

    def add(self, sign_up: SignUp) -> None:
        self.by_id[sign_up.id] = sign_up
        self.busy.setdefault(sign_up.volunteer_id, []).append(sign_up)


async def sign_up_for_shift(
    tx: Transaction, form: SignUpForShift, *, by: Principal, now: datetime, roster: Roster | None = None
) -> tuple[SignUp, bool]:
    """Give a volunteer a place in a shift; answers it, and whether it is new: a repeat is the same sign-up.

    Raises:
        ShiftUnknown, VolunteerUnknown, EventNotOpen, VolunteerNotActive, ConsentMissing, HazardForMinors,
        VolunteerTooYoung, ShiftsOverlap, ShiftFull
        ShiftIsOver: only staff enter papers of the past.
        AlreadyExists: the id is another sign-up's.
    """
    if roster is None:
        roster = Roster(tx)
        await roster.read([form])
    known = roster.known(form)
    if known is not None:
        return known, False
    wanted, volunteer = roster.shifts.get(form.shift_id), roster.volunteers.get(form.volunteer_id)
    if wanted is None:
        raise domain.ShiftUnknown(pointer="/shift_id")
    if volunteer is None:
        raise domain.VolunteerUnknown(pointer="/volunteer_id")
    shift = wanted.shift
    domain.require_open(wanted.event_status)
    if shift.ends_at <= now and not by.may(Permission.RECORD_ATTENDANCE):
        raise domain.ShiftIsOver(pointer="/shift_id")
    domain.require_fit(
        status=volunteer.status,
        consent=volunteer.consent,
        age_years=age_on(civil_day(shift.starts_at), born_in=volunteer.born_in),
        minimum_age=shift.minimum_age,
        hazard=shift.hazard,
    )
    roster.require_free(volunteer.id, wanted)
    domain.require_place(needed=shift.needed, taken=shift.taken)

    sign_up = SignUp(
        id=form.id or new_id(),
        shift_id=shift.id,
        event_id=shift.event_id,
        centre_id=wanted.centre_id,
        region=wanted.region,
        volunteer_id=volunteer.id,
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        confirmed_by=by.id,
        confirmed_at=now,
    )
    shift.taken += 1
    tx.update(shift)
    tx.insert(sign_up)
    tx.announce(SignUpConfirmed(**_fact(sign_up)), at=now, version=sign_up.version)
    roster.add(sign_up)
    return sign_up, True


async def withdraw_sign_up(tx: Transaction, signup_id: UUID, *, by: Principal, now: datetime) -> SignUp:
    """Give a place back; a repeat changes nothing.

    Raises:
        SignUpNotFound, AttendanceIsRecorded
    """
    sign_up = await _locked(tx, signup_id)
    if sign_up.withdrawn_at is not None:
        return sign_up
    if sign_up.attendance is not None:
        raise domain.AttendanceIsRecorded
    [shift] = (await tx.load(Shift, [sign_up.shift_id], lock=True)).values()
    shift.taken -= 1
    tx.update(shift)
    sign_up.withdrawn_by, sign_up.withdrawn_at = by.id, now
    tx.update(sign_up)
    tx.announce(SignUpWithdrawn(**_fact(sign_up)), at=now, version=sign_up.version)
    return sign_up


async def forget_volunteer(tx: Transaction, volunteer_id: UUID, *, now: datetime) -> None:
    """Give back the places of somebody who is erased, in shifts that have not begun. Where they were counts on."""
    # A page of messages is one transaction: what it told of this volunteer before must be there to be removed.
    await tx.flush()
    for row in await tx.fetch(queries.PLACES_AHEAD, volunteer_id=volunteer_id, now=now):
        await withdraw_sign_up(tx, row["id"], by=system("events"), now=now)
    await tx.sql("DELETE FROM knownvolunteer WHERE id = $1", volunteer_id)


async def record_attendance(
    tx: Transaction, signup_id: UUID, form: RecordAttendance, *, by: Principal, now: datetime
) -> SignUp:
    """Note whether a volunteer came, or correct that; a repeat changes nothing.

    Raises:
        SignUpNotFound, SignUpIsWithdrawn, ShiftNotStarted
        StatusDoesNotAllow: the event was cancelled.
    """
    sign_up = await _locked(tx, signup_id)
    if sign_up.withdrawn_at is not None:
        raise domain.SignUpIsWithdrawn
    if now < sign_up.starts_at:
        raise domain.ShiftNotStarted
    [event] = (await tx.load(Event, [sign_up.event_id])).values()
    domain.require_status(event.status, domain.OPEN)
    if sign_up.attendance == form.attendance:
        return sign_up
    was, sign_up.attendance = sign_up.attendance, form.attendance
    sign_up.attendance_by, sign_up.attendance_at = by.id, now
    tx.update(sign_up)
    fact = AttendanceRecorded(
        **_fact(sign_up),
        direction=event.direction,
        attendance=form.attendance,
        was=was,
        starts_at=sign_up.starts_at,
        ends_at=sign_up.ends_at,
        minutes=Span(sign_up.starts_at, sign_up.ends_at).minutes,
    )
    tx.announce(fact, at=now, version=sign_up.version)
    return sign_up


async def _locked(tx: Transaction, signup_id: UUID) -> SignUp:
    sign_up = await tx.get(SignUp, signup_id, lock=True)
    if sign_up is None:
        raise domain.SignUpNotFound
    return sign_up


def _fact(sign_up: SignUp) -> dict[str, Any]:
    return {
        "signup_id": sign_up.id,
        "shift_id": sign_up.shift_id,
        "event_id": sign_up.event_id,
        "volunteer_id": sign_up.volunteer_id,
        "centre_id": sign_up.centre_id,
        "region": sign_up.region,
        "on": civil_day(sign_up.starts_at),
    }

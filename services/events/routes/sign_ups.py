"""Sign-ups for shifts, and who came."""

from uuid import UUID

from fastapi import Response, status

from services.events import commands, queries
from services.events.domain import (
    AttendanceIsRecorded,
    ConsentMissing,
    EventNotOpen,
    HazardForMinors,
    ShiftFull,
    ShiftIsOver,
    ShiftNotStarted,
    ShiftsOverlap,
    ShiftUnknown,
    SignUpIsWithdrawn,
    SignUpNotFound,
    StatusDoesNotAllow,
    VolunteerNotActive,
    VolunteerTooYoung,
    VolunteerUnknown,
)
from services.events.schemas import (
    RecordAttendance,
    RecordAttendanceRow,
    SignUpForShift,
    SignUpView,
    WithdrawSignUp,
    WithdrawSignUpRow,
)
from services.events.tables import Event, Shift, SignUp
from shared import batches
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.batches import Batch, BatchAnswer, Repeated
from shared.clock import Now
from shared.errors import AlreadyExists
from shared.paging import AskedPage, InvalidCursor, Page
from shared.problems import refusals
from shared.requests import Tx
from shared.requests import router as _router

router = _router("/v1/sign-ups", tags=["sign-ups"])

_NOTHING_TO_SAY = WithdrawSignUp()


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(
        ShiftUnknown,
        VolunteerUnknown,
        EventNotOpen,
        ShiftIsOver,
        VolunteerNotActive,
        ConsentMissing,
        HazardForMinors,
        VolunteerTooYoung,
        ShiftsOverlap,
        ShiftFull,
        AlreadyExists,
    ),
    dependencies=[permits(Permission.SIGN_UP)],
)
async def sign_up_for_shift(form: SignUpForShift, response: Response, tx: Tx, caller: Caller, now: Now) -> SignUpView:
    """Give a volunteer a place in a shift. A repeat answers 200 with the same sign-up."""
    sign_up, new = await commands.sign_up_for_shift(tx, form, by=caller, now=now)
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    response.headers["Location"] = f"/v1/sign-ups/{sign_up.id}"
    return SignUpView.model_validate(sign_up)


@router.post(
    "/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.SIGN_UP)],
)
async def sign_up_many(batch: Batch[SignUpForShift], tx: Tx, caller: Caller, now: Now) -> Response:
    """Sign up to 500 times; each row has its own answer."""
    roster = commands.Roster(tx)

    async def sign_up_one(form: SignUpForShift) -> UUID | Repeated:
        sign_up, new = await commands.sign_up_for_shift(tx, form, by=caller, now=now, roster=roster)
        return sign_up.id if new else Repeated(sign_up.id)

    return await batches.run(tx, batch, SignUpForShift, sign_up_one, prepare=roster.read)


@router.get("", responses=refusals(InvalidCursor), dependencies=[permits(Permission.READ_SIGN_UPS)])
async def list_sign_ups(
    tx: Tx,
    page: AskedPage,
    shift_id: UUID | None = None,
    event_id: UUID | None = None,
    volunteer_id: UUID | None = None,
) -> Page[SignUpView]:
    """Sign-ups of a shift, an event or a volunteer, the withdrawn ones among them."""
    rows = await queries.list_sign_ups(tx, page, shift_id=shift_id, event_id=event_id, volunteer_id=volunteer_id)
    return page.page([SignUpView.model_validate(dict(row)) for row in rows], lambda sign_up: [str(sign_up.id)])


@router.get("/{signup_id}", responses=refusals(SignUpNotFound), dependencies=[permits(Permission.READ_SIGN_UPS)])
async def read_sign_up(signup_id: UUID, tx: Tx) -> SignUpView:
    """One sign-up."""
    sign_up = await tx.get(SignUp, signup_id)
    if sign_up is None:
        raise SignUpNotFound
    return SignUpView.model_validate(sign_up)


@router.post(
    "/{signup_id}/withdrawals",
    responses=refusals(SignUpNotFound, AttendanceIsRecorded),
    dependencies=[permits(Permission.SIGN_UP)],
)
async def withdraw_sign_up(
    signup_id: UUID,
    tx: Tx,
    caller: Caller,
    now: Now,
    form: WithdrawSignUp = _NOTHING_TO_SAY,  # noqa: ARG001  # taken, so that an unknown field is refused
) -> SignUpView:
    """Give a place back."""
    return SignUpView.model_validate(await commands.withdraw_sign_up(tx, signup_id, by=caller, now=now))


@router.post(
    "/withdrawals/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.SIGN_UP)],
)
async def withdraw_sign_ups(batch: Batch[WithdrawSignUpRow], tx: Tx, caller: Caller, now: Now) -> Response:
    """Give up to 500 places back; each row has its own answer."""

    async def look_up(rows: list[WithdrawSignUpRow]) -> None:
        sign_ups = await tx.load(SignUp, [row.signup_id for row in rows], lock=True)
        await tx.load(Shift, {sign_up.shift_id for sign_up in sign_ups.values()}, lock=True)

    async def withdraw_one(row: WithdrawSignUpRow) -> UUID:
        return (await commands.withdraw_sign_up(tx, row.signup_id, by=caller, now=now)).id

    return await batches.run(tx, batch, WithdrawSignUpRow, withdraw_one, prepare=look_up, status=status.HTTP_200_OK)


@router.post(
    "/{signup_id}/attendances",
    responses=refusals(SignUpNotFound, SignUpIsWithdrawn, ShiftNotStarted, StatusDoesNotAllow),
    dependencies=[permits(Permission.RECORD_ATTENDANCE)],
)
async def record_attendance(signup_id: UUID, form: RecordAttendance, tx: Tx, caller: Caller, now: Now) -> SignUpView:
    """Note whether a volunteer came, or correct that."""
    return SignUpView.model_validate(await commands.record_attendance(tx, signup_id, form, by=caller, now=now))


@router.post(
    "/attendances/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.RECORD_ATTENDANCE)],
)
async def record_attendances(batch: Batch[RecordAttendanceRow], tx: Tx, caller: Caller, now: Now) -> Response:
    """Note of up to 500 sign-ups who came; each row has its own answer."""

    async def look_up(rows: list[RecordAttendanceRow]) -> None:
        sign_ups = await tx.load(SignUp, [row.signup_id for row in rows], lock=True)
        await tx.load(Event, {sign_up.event_id for sign_up in sign_ups.values()})

    async def record_one(row: RecordAttendanceRow) -> UUID:
        return (await commands.record_attendance(tx, row.signup_id, row, by=caller, now=now)).id

    return await batches.run(tx, batch, RecordAttendanceRow, record_one, prepare=look_up, status=status.HTTP_200_OK)

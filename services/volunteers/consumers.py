"""What the volunteers service listens to."""

from services.volunteers import commands
from shared import clock
from shared.contracts.envelope import Message
from shared.contracts.events import AttendanceRecorded
from shared.database import Transaction
from shared.messaging.consumer import Consumer

consumer = Consumer("volunteers")


async def earn_hours(tx: Transaction, message: Message[AttendanceRecorded]) -> None:
    fact = message.data
    if fact.centre_id is None or fact.region is None:
        raise ValueError("attendance without a centre")
    await commands.earn_hours(
        tx,
        volunteer_id=fact.volunteer_id,
        centre_id=fact.centre_id,
        region=fact.region,
        direction=fact.direction,
        signup_id=fact.signup_id,
        signup_version=message.aggregateversion,
        was=fact.was,
        attendance=fact.attendance,
        minutes=fact.minutes,
        on=fact.on,
        ends_at=fact.ends_at,
        now=clock.now(),
    )


consumer.on(AttendanceRecorded, earn_hours)

"""Every way to change what the volunteers service knows. One function, one intention."""

from services.volunteers.commands.assignments import end_assignment, make_assignment
from services.volunteers.commands.centres import change_centre, close_centre, open_centre
from services.volunteers.commands.declarations import declare_volunteers
from services.volunteers.commands.hours import credit_due_hours, earn_hours
from services.volunteers.commands.imports import IMPORT, begin_import, import_page
from services.volunteers.commands.personal import (
    disclose_volunteer,
    erase_volunteer,
    export_volunteer,
    require_volunteer,
)
from services.volunteers.commands.volunteers import change_status, register_volunteer

__all__ = [
    "IMPORT",
    "begin_import",
    "change_centre",
    "change_status",
    "close_centre",
    "credit_due_hours",
    "declare_volunteers",
    "disclose_volunteer",
    "earn_hours",
    "end_assignment",
    "erase_volunteer",
    "export_volunteer",
    "import_page",
    "make_assignment",
    "open_centre",
    "register_volunteer",
    "require_volunteer",
]

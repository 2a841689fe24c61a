"""Where a right is to hold: what the boxes of a form say."""

from services.gateway.form_pages import Asked


def chosen_centres(page: Asked) -> list[str] | None:
    """The centres that are ticked; None where the whole republic is meant, and none where nothing was chosen."""
    return None if page.field("where") == "everywhere" else page.fields("centres")


def chosen_directions(page: Asked) -> list[str] | None:
    """The directions that are ticked; None, which is all, where it is so said."""
    return page.fields("directions") if page.field("what") == "some" else None

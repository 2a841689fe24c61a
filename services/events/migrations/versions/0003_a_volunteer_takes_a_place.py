"""A volunteer who signs up, or gives the place back, changes nothing of the shift but how many places are taken."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# The policy of shifts lets a volunteer change one, and cannot see how the row was before.
ONLY_A_PLACE = """
CREATE FUNCTION require_only_a_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('asar.volunteer', true) <> ''
        AND NOT EXISTS (SELECT FROM event WHERE event.id = NEW.event_id AND reaches(centre_id, direction))
        AND (abs(NEW.taken - OLD.taken) <> 1
             OR to_jsonb(NEW) - '{taken,version}'::text[] <> to_jsonb(OLD) - '{taken,version}'::text[])
    THEN
        RAISE EXCEPTION 'a volunteer takes a place of a shift, or gives it back'
            USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'shift_only_a_place', TABLE = 'shift';
    END IF;
    RETURN NEW;
END $$
"""
BEFORE_CHANGE = """
CREATE TRIGGER shift_only_a_place BEFORE UPDATE ON shift FOR EACH ROW EXECUTE FUNCTION require_only_a_place()
"""


def upgrade() -> None:
    op.execute(ONLY_A_PLACE)
    op.execute(BEFORE_CHANGE)


def downgrade() -> None:
    op.execute("DROP TRIGGER shift_only_a_place ON shift")
    op.execute("DROP FUNCTION require_only_a_place")

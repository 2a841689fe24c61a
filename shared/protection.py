"""Puts on a database what its tables say of access: row-level security, and the rights of the service's role.

Migrations run as the database's owner and see everything: they take the policies off, change what they change, and put
them on again as the tables now say, in one transaction. Below the newest revision none are put on: nothing is reached.
"""

import hashlib

from sqlalchemy import Connection, MetaData, Table

from shared.reach import FUNCTIONS, is_append_only, scope_of

_POLICIES = "SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'public' ORDER BY 1, 2"
_STANDING = "SELECT obj_description('public.alembic_version'::regclass)"


def is_on(connection: Connection, metadata: MetaData, service_role: str | None) -> bool:
    """Whether all that would be put on is there already. Cheap, and waits for nobody."""
    if connection.exec_driver_sql("SELECT to_regclass('public.alembic_version')").scalar() is None:
        return False
    return connection.exec_driver_sql(_STANDING).scalar() == _digest(metadata, service_role)


def take_off(connection: Connection) -> None:
    """Let the owner see and change everything until the end of the transaction, or `put_on`."""
    for table, policy in connection.exec_driver_sql(_POLICIES).all():
        connection.exec_driver_sql(f'DROP POLICY "{policy}" ON "{table}"')
        connection.exec_driver_sql(f'ALTER TABLE "{table}" NO FORCE ROW LEVEL SECURITY')
    for signature in FUNCTIONS:
        connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {signature}")


def put_on(connection: Connection, metadata: MetaData, service_role: str | None) -> None:
    """Make the policies that the tables declare, and give the service's role what it needs and nothing else."""
    for statement in statements(metadata, service_role):
        connection.exec_driver_sql(statement)
    # How far the database has been migrated: the service is ready at the newest revision only.
    if service_role is not None:
        connection.exec_driver_sql(f"GRANT SELECT ON alembic_version TO {_quoted(service_role)}")
    connection.exec_driver_sql(f"COMMENT ON TABLE alembic_version IS '{_digest(metadata, service_role)}'")


def statements(metadata: MetaData, service_role: str | None) -> list[str]:
    """What makes it so, where nothing is on."""
    return [*_policies(metadata), *_grants(metadata, service_role)]


def owns(connection: Connection, role: str) -> bool:
    """Whether a role is the one that migrates: it needs no rights, it has them."""
    return bool(connection.exec_driver_sql("SELECT current_user = $1", (role,)).scalar())


def _policies(metadata: MetaData) -> list[str]:
    tables = [table for table in metadata.sorted_tables if scope_of(table) is not None]
    if not tables:
        return []
    functions = [
        f"CREATE FUNCTION {signature} RETURNS {answer} LANGUAGE sql STABLE PARALLEL SAFE AS $${body}$$"
        for signature, (answer, body) in FUNCTIONS.items()
    ]
    return functions + [statement for table in tables for statement in policies_of(table)]


def policies_of(table: Table) -> list[str]:
    """What makes a table's rows appear to those only who reach them. To the owner too."""
    scope = scope_of(table)
    if scope is None:
        return []
    on = f'ON "{table.name}"'
    return [
        f'ALTER TABLE "{table.name}" ENABLE ROW LEVEL SECURITY',
        f'ALTER TABLE "{table.name}" FORCE ROW LEVEL SECURITY',
        f"CREATE POLICY seen {on} FOR SELECT USING ({scope.seen})",
        f"CREATE POLICY added {on} FOR INSERT WITH CHECK ({scope.written})",
        # Whoever locks a row is asked for the first condition, whoever changes it for both.
        f"CREATE POLICY changed {on} FOR UPDATE USING ({scope.seen}) WITH CHECK ({scope.changed})",
        f"CREATE POLICY removed {on} FOR DELETE USING ({scope.written})",
    ]


def _grants(metadata: MetaData, role: str | None) -> list[str]:
    if role is None:
        return []
    to = _quoted(role)
    adding, all_four = "SELECT, INSERT", "SELECT, INSERT, UPDATE, DELETE"
    rights = [
        f'GRANT {adding if is_append_only(table) else all_four} ON "{table.name}" TO {to}'
        for table in metadata.sorted_tables
    ]
    return [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {to}",
        f"GRANT USAGE ON SCHEMA public TO {to}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {to}",
        *rights,
    ]


def _digest(metadata: MetaData, role: str | None) -> str:
    return hashlib.sha256("\n".join(statements(metadata, role)).encode()).hexdigest()


def _quoted(role: str) -> str:
    return '"' + role.replace('"', '""') + '"'

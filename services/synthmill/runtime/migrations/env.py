"""What Alembic runs to take steps; `migrate` lends it the connection."""

from __future__ import annotations

from alembic import context

from synthmill.runtime.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    # SQLite can take back what changes tables, too, if the driver leaves transactions alone; and it alters a column by
    # making the table anew.
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()

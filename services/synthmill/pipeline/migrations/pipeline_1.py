"""What loops have done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "pipeline_1"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the tables."""
    # A database from before there were steps has them.
    if sa.inspect(op.get_bind()).has_table("pipeline_loops"):
        return

    op.create_table(
        "pipeline_loops",
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("attempt", NUMBER, nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("job"),
    )

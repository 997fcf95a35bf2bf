"""Versions of datasets, models and policies, evaluations, promotions, and their files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "catalog_1"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the tables."""
    # A database from before there were steps has them.
    if sa.inspect(op.get_bind()).has_table("catalog_collections"):
        return
    _add_collections()
    _add_datasets()
    _add_models()
    _add_policies()
    _add_evaluations()
    _add_files()


def _add_collections() -> None:
    op.create_table(
        "catalog_collections",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("last_version", NUMBER, nullable=False),
        sa.Column("promoted_version", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )


def _add_datasets() -> None:
    op.create_table(
        "catalog_datasets",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("collection", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("splits", sa.JSON(), nullable=False),
        sa.Column("record_count", NUMBER, nullable=False),
        sa.Column("schema", sa.JSON(), nullable=False),
        sa.Column("statistics", sa.JSON(), nullable=False),
        sa.Column("provenance", sa.JSON(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("create_time", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["collection"], ["catalog_collections.name"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_index("ix_catalog_datasets_collection", "catalog_datasets", ["collection"])
    op.create_table(
        "catalog_dataset_requests",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("request_digest", sa.String(), nullable=False),
        sa.Column("dataset_id", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["catalog_datasets.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_table(
        "catalog_import_issues",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("dataset_id", NUMBER, nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("dropped", sa.Boolean(), nullable=False),
        sa.Column("other", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["catalog_datasets.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("catalog_import_issues_order", "catalog_import_issues", ["dataset_id", "position", "id"])


def _add_models() -> None:
    op.create_table(
        "catalog_models",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("collection", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("request_digest", sa.String(), nullable=False),
        sa.Column("create_time", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["collection"], ["catalog_collections.name"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sa.UniqueConstraint("request_id"),
    )
    op.create_index("ix_catalog_models_collection", "catalog_models", ["collection"])
    op.create_table(
        "catalog_promotions",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("model_id", NUMBER, nullable=False),
        sa.Column("evaluation", sa.String(), nullable=False),
        sa.Column("override_reason", sa.String(), nullable=False),
        sa.Column("promote_time", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["catalog_models.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_catalog_promotions_model_id", "catalog_promotions", ["model_id"])


def _add_policies() -> None:
    op.create_table(
        "catalog_policies",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("collection", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("create_time", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["collection"], ["catalog_collections.name"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_index("ix_catalog_policies_collection", "catalog_policies", ["collection"])


def _add_evaluations() -> None:
    op.create_table(
        "catalog_evaluations",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("collection", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("subject_digest", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("reference_digest", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("verdict", sa.JSON(), nullable=False),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("request_digest", sa.String(), nullable=False),
        sa.Column("create_time", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["collection"], ["catalog_collections.name"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sa.UniqueConstraint("request_id"),
    )
    op.create_index("ix_catalog_evaluations_collection", "catalog_evaluations", ["collection"])
    op.create_index("ix_catalog_evaluations_subject", "catalog_evaluations", ["subject"])


def _add_files() -> None:
    op.create_table(
        "catalog_artifacts",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("uri", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size_bytes", NUMBER, nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner", "name"),
    )
    op.create_index("ix_catalog_artifacts_sha256", "catalog_artifacts", ["sha256"])
    op.create_table(
        "catalog_garbage",
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("uri", sa.String(), nullable=False),
        sa.Column("size_bytes", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )

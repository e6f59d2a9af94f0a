"""What the sources call their offices, subjects and employees."""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "0005"
down_revision = "0004"

TEXT = sqlmodel.sql.sqltypes.AutoString
TIME = sqlmodel.sql.sqltypes.UTCDateTime


def upgrade() -> None:
    op.create_table(
        "name",
        sa.Column("source", TEXT(), nullable=False),
        sa.Column("kind", TEXT(), nullable=False),
        sa.Column("id", TEXT(), nullable=False),
        sa.Column("name", TEXT(), nullable=False),
        sa.Column("zone", TEXT(), nullable=False),
        sa.Column("asked_at", TIME(), nullable=False),
        sa.PrimaryKeyConstraint("source", "kind", "id", name=op.f("pk_name")),
    )
    op.create_table(
        "name_refusal",
        sa.Column("source", TEXT(), nullable=False),
        sa.Column("kind", TEXT(), nullable=False),
        sa.Column("refused_at", TIME(), nullable=False),
        sa.Column("why", TEXT(), nullable=False),
        sa.PrimaryKeyConstraint("source", "kind", name=op.f("pk_name_refusal")),
    )

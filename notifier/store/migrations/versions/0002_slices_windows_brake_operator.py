"""Slices and windows of sweeps, deliveries that the brake holds, and the operator's notices."""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "0002"
down_revision = "0001"

STATES = "'held', 'pending', 'sending', 'delivered', 'dead', 'discarded'"
UNSETTLED = sa.text("settled_at IS NULL")
TEXT = sqlmodel.sql.sqltypes.AutoString
TIME = sqlmodel.sql.sqltypes.UTCDateTime


def _states(table: str) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(f"state IN ({STATES})", name=op.f(f"ck_{table}_state")),
        sa.CheckConstraint(
            "(settled_at IS NULL) = (state IN ('held', 'pending', 'sending'))", name=op.f(f"ck_{table}_settled")
        ),
    ]


def upgrade() -> None:
    op.drop_index("ix_appointment_digest", "appointment")
    op.drop_index("ix_appointment_span", "appointment")
    op.add_column("appointment", sa.Column("asked_at", TIME(), nullable=True))
    op.create_index(
        "ix_appointment_span", "appointment", ["source", "start", "status", "vanished_at", "id", "digest"], unique=False
    )
    op.create_table(
        "slicing",
        sa.Column("source", TEXT(), nullable=False),
        sa.Column("scope", TEXT(), nullable=False),
        sa.Column("slices", TEXT(), nullable=False),
        sa.PrimaryKeyConstraint("source", "scope", name=op.f("pk_slicing")),
    )
    _sweep()
    _delivery()
    op.create_table(
        "trouble",
        sa.Column("name", TEXT(), nullable=False),
        sa.Column("kind", TEXT(), nullable=False),
        sa.Column("text", TEXT(), nullable=False),
        sa.Column("began_at", TIME(), nullable=False),
        sa.Column("told_at", TIME(), nullable=True),
        sa.Column("well_since", TIME(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_trouble")),
    )
    op.create_table(
        "notice",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", TEXT(), nullable=False),
        sa.Column("channel", TEXT(), nullable=False),
        sa.Column("trouble", TEXT(), nullable=False),
        sa.Column("kind", TEXT(), nullable=False),
        sa.Column("edge", TEXT(), nullable=False),
        sa.Column("title", TEXT(), nullable=False),
        sa.Column("body", TEXT(), nullable=False),
        sa.Column("state", TEXT(), nullable=False),
        sa.Column("reason", TEXT(), nullable=True),
        sa.Column("detail", TEXT(), nullable=False),
        sa.Column("due_at", TIME(), nullable=False),
        sa.Column("created_at", TIME(), nullable=False),
        sa.Column("settled_at", TIME(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        *_states("notice"),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_notice")),
        sa.UniqueConstraint("id", name=op.f("uq_notice_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notice_due", "notice", ["channel", "trouble", "due_at", "seq"], sqlite_where=UNSETTLED)
    op.create_index(op.f("ix_notice_channel_settled_at"), "notice", ["channel", "settled_at"])


def _sweep() -> None:
    with op.batch_alter_table("sweep", recreate="always") as batch:
        batch.add_column(sa.Column("window_start", TIME(), nullable=True))
        batch.add_column(sa.Column("window_end", TIME(), nullable=True))
        for name in ("late", "slices", "held"):
            batch.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("complete_at", TIME(), nullable=True))
    # The default was for the rows that there were.
    with op.batch_alter_table("sweep", recreate="always") as batch:
        for name in ("late", "slices", "held"):
            batch.alter_column(name, server_default=None)


def _delivery() -> None:
    """Makes the table anew: SQLite can't change a condition."""
    op.create_table(
        "new_delivery",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", TEXT(), nullable=False),
        sa.Column("event_id", TEXT(), nullable=False),
        sa.Column("rule", TEXT(), nullable=False),
        sa.Column("channel", TEXT(), nullable=False),
        sa.Column("order_key", TEXT(), nullable=False),
        sa.Column("state", TEXT(), nullable=False),
        sa.Column("reason", TEXT(), nullable=True),
        sa.Column("due_at", TIME(), nullable=False),
        sa.Column("created_at", TIME(), nullable=False),
        sa.Column("settled_at", TIME(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        *_states("delivery"),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_delivery_event_id_event")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_delivery")),
        sa.UniqueConstraint("event_id", "rule", "channel", name=op.f("uq_delivery_event_id_rule_channel")),
        sa.UniqueConstraint("id", name=op.f("uq_delivery_id")),
        sqlite_autoincrement=True,
    )
    op.execute("INSERT INTO new_delivery SELECT * FROM delivery")
    op.drop_table("delivery")
    op.rename_table("new_delivery", "delivery")
    op.create_index("ix_delivery_due", "delivery", ["channel", "state", "due_at", "seq"], sqlite_where=UNSETTLED)
    op.create_index("ix_delivery_held", "delivery", ["state", "reason", "event_id"], sqlite_where=sa.text("state = 'held'"))
    op.create_index("ix_delivery_order", "delivery", ["channel", "order_key", "seq"], sqlite_where=UNSETTLED)
    op.create_index(op.f("ix_delivery_state_channel_settled_at"), "delivery", ["state", "channel", "settled_at"])

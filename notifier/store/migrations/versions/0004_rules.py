"""Silences, what was decided about a delivery, which ones are one message, and what rules ask the clock for."""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "0004"
down_revision = "0003"

STATES = (
    "'held', 'pending', 'sending', 'delivered', 'uncertain', 'dead', 'superseded', 'dropped', 'discarded', 'silenced'"
)
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
    _silence()
    _delivery()
    _notice()
    _appointment()
    with op.batch_alter_table("event") as event:
        event.add_column(sa.Column("firing", TEXT(), nullable=True))
    _watch()


def _silence() -> None:
    op.create_table(
        "silence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rules", TEXT(), nullable=False),
        sa.Column("wanted", TEXT(), nullable=False),
        sa.Column("author", TEXT(), nullable=False),
        sa.Column("why", TEXT(), nullable=False),
        sa.Column("began_at", TIME(), nullable=False),
        sa.Column("until", TIME(), nullable=False),
        sa.Column("ended_at", TIME(), nullable=True),
        sa.Column("ended_by", TEXT(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silence")),
        sqlite_autoincrement=True,
    )


# The tables are made anew, since SQLite can't change a condition.


def _delivery() -> None:
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
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("in_doubt", sa.Boolean(), nullable=False),
        sa.Column("superseded_by", sa.Integer(), nullable=True),
        sa.Column("told", TEXT(), nullable=True),
        sa.Column("not_before", TIME(), nullable=True),
        sa.Column("bundle", TEXT(), nullable=True),
        sa.Column("bundled_in", sa.Integer(), nullable=True),
        sa.Column("silence", sa.Integer(), nullable=True),
        sa.Column("story", TEXT(), nullable=True),
        *_states("delivery"),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_delivery_event_id_event")),
        sa.ForeignKeyConstraint(["superseded_by"], ["delivery.seq"], name=op.f("fk_delivery_superseded_by_delivery")),
        sa.ForeignKeyConstraint(["bundled_in"], ["delivery.seq"], name=op.f("fk_delivery_bundled_in_delivery")),
        sa.ForeignKeyConstraint(["silence"], ["silence.id"], name=op.f("fk_delivery_silence_silence")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_delivery")),
        sa.UniqueConstraint("event_id", "rule", "channel", name=op.f("uq_delivery_event_id_rule_channel")),
        sa.UniqueConstraint("id", name=op.f("uq_delivery_id")),
        sqlite_autoincrement=True,
    )
    op.execute("INSERT INTO new_delivery SELECT delivery.*, NULL, NULL, NULL, NULL, NULL FROM delivery")
    op.drop_table("delivery")
    op.rename_table("new_delivery", "delivery")
    op.create_index("ix_delivery_due", "delivery", ["channel", "state", "due_at", "seq"], sqlite_where=UNSETTLED)
    op.create_index("ix_delivery_held", "delivery", ["state", "reason", "event_id"], sqlite_where=sa.text("state = 'held'"))
    op.create_index("ix_delivery_order", "delivery", ["channel", "order_key", "seq"], sqlite_where=UNSETTLED)
    op.create_index(op.f("ix_delivery_state_channel_settled_at"), "delivery", ["state", "channel", "settled_at"])
    op.create_index(
        "ix_delivery_superseded_by",
        "delivery",
        ["superseded_by"],
        sqlite_where=sa.text("superseded_by IS NOT NULL"),
    )
    op.create_index(
        "ix_delivery_bundle",
        "delivery",
        ["channel", "bundle", "settled_at"],
        sqlite_where=sa.text("bundle IS NOT NULL"),
    )
    op.create_index(
        "ix_delivery_bundled_in", "delivery", ["bundled_in"], sqlite_where=sa.text("bundled_in IS NOT NULL")
    )
    op.create_index(
        "ix_delivery_silence", "delivery", ["silence"], sqlite_where=sa.text("silence IS NOT NULL")
    )


def _notice() -> None:
    op.create_table(
        "new_notice",
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
    op.execute("INSERT INTO new_notice SELECT * FROM notice")
    op.drop_table("notice")
    op.rename_table("new_notice", "notice")
    op.create_index("ix_notice_due", "notice", ["channel", "trouble", "due_at", "seq"], sqlite_where=UNSETTLED)
    op.create_index(op.f("ix_notice_channel_settled_at"), "notice", ["channel", "settled_at"])


def _appointment() -> None:
    with op.batch_alter_table("appointment") as appointment:
        appointment.add_column(sa.Column("end", TIME(), nullable=True))
        appointment.add_column(sa.Column("status_since", TIME(), nullable=True))
        appointment.add_column(sa.Column("silent_at", TIME(), nullable=True))
    # As the columns' own type writes times: in the state they are as JSON has them.
    op.execute("UPDATE appointment SET status_since = updated_at")
    op.execute(
        "UPDATE appointment SET \"end\" = strftime('%Y-%m-%d %H:%M:%f', json_extract(state, '$.end')) || '000'"
        " WHERE json_extract(state, '$.end') IS NOT NULL"
    )
    with op.batch_alter_table("appointment") as appointment:
        appointment.alter_column("status_since", nullable=False)


def _watch() -> None:
    op.create_table(
        "watch",
        sa.Column("source", TEXT(), nullable=False),
        sa.Column("appointment_id", TEXT(), nullable=False),
        sa.Column("rule", TEXT(), nullable=False),
        sa.Column("since", TIME(), nullable=False),
        sa.Column("bound", TIME(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("due_at", TIME(), nullable=True),
        sa.Column("escalate_at", TIME(), nullable=True),
        sa.PrimaryKeyConstraint("source", "appointment_id", "rule", name=op.f("pk_watch")),
    )
    op.create_table(
        "timed_rule",
        sa.Column("name", TEXT(), nullable=False),
        sa.Column("asks", TEXT(), nullable=False),
        sa.Column("loaded_at", TIME(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_timed_rule")),
    )

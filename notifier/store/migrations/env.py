"""What Alembic runs to bring a store to its newest schema: on the connection that it was handed, else on `-x url=`."""

from alembic import context
from sqlalchemy import Connection, create_engine

from notifier.store.delivery_tables import DeliveryRow


def _run(connection: Connection) -> None:
    # Batch mode: SQLite changes a table by making a new one.
    # Of all tables: whoever knows these knows the others.
    context.configure(connection=connection, target_metadata=DeliveryRow.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


handed: Connection | None = context.config.attributes.get("connection")
if handed is not None:
    _run(handed)
else:
    with create_engine(context.get_x_argument(as_dictionary=True)["url"]).begin() as opened:
        _run(opened)

"""How the schema came to be: numbered steps, forward only, run by Alembic.

Importing this package imports Alembic, which takes a third of a second; `database` does so only where the schema
differs from the one that it knows. To write the next step, change `tables` or `delivery_tables`, then:

    alembic -x url=sqlite:///scratch.db upgrade head
    alembic -x url=sqlite:///scratch.db revision --autogenerate --rev-id 0002 -m "what it does"

and set `database.SCHEMA` to the new number.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

SCRIPTS = Path(__file__).parent


def upgrade(connection: Connection, scripts: Path = SCRIPTS) -> None:
    """Brings the schema to the newest version, inside the transaction that the connection is in."""
    config = Config(attributes={"connection": connection})
    # The parser of the configuration takes a bare percent sign for a placeholder.
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head")

"""Revisions of tables, by Alembic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

_ENVIRONMENT = Path(__file__).parent / "environment"


@dataclass(frozen=True, slots=True)
class Migrations:
    """The revisions in `folder`; `version_table` holds the one that a database has.

    Sets of tables with version tables of their own may share a database. Changes
    need a lock: see `Database.migrate`.
    """

    folder: Path
    version_table: str

    def head(self) -> str:
        """The revision that this code needs."""
        script = ScriptDirectory(str(_ENVIRONMENT), version_locations=[str(self.folder)])
        return str(script.get_current_head())

    def revision(self, connection: Connection) -> str | None:
        """The revision of the tables; None when there are none, or they are older than that."""
        options = {"version_table": self.version_table}
        return MigrationContext.configure(connection, opts=options).get_current_revision()

    def is_current(self, connection: Connection) -> bool:
        """Whether the tables have the revision that this code needs."""
        return self.revision(connection) == self.head()

    def upgrade(self, connection: Connection, target: str = "head") -> str:
        """Bring the tables up to date; the revision. Raises CommandError."""
        self._run(connection, lambda config: command.upgrade(config, target))
        return str(self.revision(connection))

    def downgrade(self, connection: Connection, target: str) -> None:
        """Bring the tables back to an older revision; "base" removes them. Raises CommandError."""
        self._run(connection, lambda config: command.downgrade(config, target))

    def _run(self, connection: Connection, work: Callable[[Config], None]) -> None:
        config = Config()
        config.set_main_option("path_separator", "newline")
        config.set_main_option("script_location", _escaped(_ENVIRONMENT))
        config.set_main_option("version_locations", _escaped(self.folder))
        config.attributes["connection"] = connection
        config.attributes["version_table"] = self.version_table
        work(config)


def _escaped(path: Path) -> str:
    """For a value of a configuration file."""
    return str(path).replace("%", "%%")

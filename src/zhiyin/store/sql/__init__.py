"""The SQL layer: engine, transactions, errors and migrations, for SQLite and MariaDB."""

"""The history in SQLite or MariaDB/MySQL, by SQLAlchemy."""

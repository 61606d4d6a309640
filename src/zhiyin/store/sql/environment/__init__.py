"""Alembic's environment, the same for all migrations; `env.py` is found by its path."""

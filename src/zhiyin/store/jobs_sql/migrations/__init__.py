"""Migrations of the tables of jobs, by Alembic."""

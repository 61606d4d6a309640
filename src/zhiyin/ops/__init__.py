"""Logging and what else operators look at."""

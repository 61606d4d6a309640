"""Checks and chores of the workshop."""

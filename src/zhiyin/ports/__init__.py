"""Protocols only, at the level of domain verbs."""

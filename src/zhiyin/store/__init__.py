"""Adapters to what keeps data: memory, Redis."""

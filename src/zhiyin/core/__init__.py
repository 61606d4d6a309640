"""The use cases; they know ports and domain."""

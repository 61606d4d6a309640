"""Adapters that keep things: in this process, or in servers that several processes share."""

"""Adapters that keep things: folders, SQL databases, Kafka."""

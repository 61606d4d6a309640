"""Adapters to the network that clients name addresses in."""

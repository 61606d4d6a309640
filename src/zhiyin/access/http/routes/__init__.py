"""Addresses of the HTTP door."""

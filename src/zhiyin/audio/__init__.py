"""Decoding and speech detection."""

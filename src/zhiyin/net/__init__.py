"""Adapter for URLs that clients name: downloads and webhooks, guarded against SSRF."""

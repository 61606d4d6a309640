"""WebSocket protocols."""

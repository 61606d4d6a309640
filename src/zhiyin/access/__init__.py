"""Access layer: HTTP, WebSocket and the web page."""

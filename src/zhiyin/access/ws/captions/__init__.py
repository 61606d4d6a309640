"""Caption rooms over WebSocket, `/ws/subtitle`."""

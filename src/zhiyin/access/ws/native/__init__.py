"""The native streaming protocol, `/v1/stream`."""

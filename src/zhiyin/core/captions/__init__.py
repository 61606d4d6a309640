"""Caption rooms: one speaker, many subscribers."""

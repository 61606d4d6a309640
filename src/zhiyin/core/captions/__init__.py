"""Caption rooms: one speaker, many subscribers, shared by several processes."""

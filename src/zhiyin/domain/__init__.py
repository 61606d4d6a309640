"""Pure data and pure functions; standard library and numpy only."""

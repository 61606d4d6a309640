"""One recording from bytes to transcript, and the cache of results."""

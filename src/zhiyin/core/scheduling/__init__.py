"""Which clips an engine runs next, and the threads that run them."""

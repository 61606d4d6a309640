"""Scheduling: the queue of an engine, the threads that call it, and its life cycle."""

"""From frames of speech probability to stretches, offline and online."""

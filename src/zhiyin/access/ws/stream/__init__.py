"""The native protocol: sound in, events out, resumable."""

"""Benches: zhiyin against other recognizers on the same recordings. Not installed."""

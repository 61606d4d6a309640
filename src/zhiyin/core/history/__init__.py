"""Transcripts that are kept: written behind, expired, erased."""

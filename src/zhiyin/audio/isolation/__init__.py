"""Decoding in processes of its own: FFmpeg reads hostile bytes where there is nothing to take."""

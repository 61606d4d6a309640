"""Live sessions: partial and final results during speech."""

"""Live sessions: partial and final results while somebody speaks."""

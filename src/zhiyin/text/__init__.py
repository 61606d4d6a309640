"""What is done to text after the engine."""

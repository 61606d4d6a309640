"""What authors of engines and adapters need to test them."""

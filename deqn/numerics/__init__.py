"""What economists call from a model file."""

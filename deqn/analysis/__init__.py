"""What one asks of a finished run."""

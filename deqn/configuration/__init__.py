"""What the YAML says."""

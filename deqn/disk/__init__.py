"""What stays on the disk."""

"""What is done from a command line, a file a command."""

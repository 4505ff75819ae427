"""How a folder becomes a Model."""

"""What is written for the TensorFlow library of Scheidegger and co-authors: its configurations, variables and names."""

"""Folders written for the TensorFlow DEQN library: nothing here is imported for a model that does not ask."""

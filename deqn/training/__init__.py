"""How a model is trained: simulate, loss, gradient, step, loop, and what it says and saves."""

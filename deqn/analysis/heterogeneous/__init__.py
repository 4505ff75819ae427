"""What one asks of an economy whose state is a histogram of households."""

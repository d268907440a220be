"""The MNIST example's application code."""

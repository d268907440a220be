"""Layer-wise relevance propagation in one forward and one backward pass."""

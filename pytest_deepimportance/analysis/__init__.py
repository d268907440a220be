"""Questions about a model and its data that are answered from scores, activations and results."""

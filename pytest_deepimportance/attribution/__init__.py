"""Which neurons matter: relevance per neuron, behind one protocol."""

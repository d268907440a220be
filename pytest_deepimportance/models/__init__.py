"""Loading models, fingerprints, and sites: what is measured and what a neuron is."""

"""Coverage criteria: one module each, found through the registry."""

"""Exact one-dimensional clustering and the combinations made of clusters."""

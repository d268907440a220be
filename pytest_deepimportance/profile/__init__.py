"""Everything derived once from model and reference, portable as one file."""

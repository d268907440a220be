"""The data file: what sessions recorded, written, read and combined without torch."""

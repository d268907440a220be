"""Known answers, shipped with the package and compared on the user's machine."""

"""The facade: model + reference + settings -> Profile; recorded blocks -> state; states -> Report."""

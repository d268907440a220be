"""The facade: model and reference -> Profile; recorded blocks -> states; states -> Report."""

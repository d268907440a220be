"""A small digit classifier, as a team would have it in its repository."""

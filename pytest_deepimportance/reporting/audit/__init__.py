"""The audit bundle: a folder that says what was measured, how, and what is open."""

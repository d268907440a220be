"""The deepimportance command."""

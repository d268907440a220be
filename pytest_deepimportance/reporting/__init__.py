"""Turn a report (plain data) into text; nothing here computes a number."""

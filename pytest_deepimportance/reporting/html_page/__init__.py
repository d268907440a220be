"""The page that people open from CI: one self-contained HTML file."""

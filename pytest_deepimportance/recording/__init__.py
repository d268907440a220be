"""Reading sites during forward passes: hooks in and out, safely."""

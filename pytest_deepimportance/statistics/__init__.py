"""What criteria need from the reference: computed once, mergeable."""

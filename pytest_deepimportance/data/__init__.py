"""What users pass: batches, references, and the activation batch that everything else consumes."""

"""Child processes with limits. Knows nothing of what runs in them."""

"""What was invoked, by whom, and how much of it: rows for whoever adds up the cost."""

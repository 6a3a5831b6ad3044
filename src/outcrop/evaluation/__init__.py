"""Questions with known answers, asked of knowledge bases made in different ways, and counted."""

"""Training: a tiny base made here, and adapters on any base of local weights."""

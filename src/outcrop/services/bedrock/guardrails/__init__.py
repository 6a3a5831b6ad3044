"""Guardrails: what they are, and applying them."""

"""Customization jobs and the custom models that they make."""

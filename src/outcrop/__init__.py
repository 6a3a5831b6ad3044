"""Outcrop: the AWS generative-AI stack on one machine."""

__version__ = "0.1.0"

"""Converse and ConverseStream: messages, blocks and files to the engines' form, and back."""

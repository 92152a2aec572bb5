"""emoforge: forge labelled emotional speech, and keep only what still carries its emotion."""

__version__ = "0.1.0"

"""Judges on encoders that others trained: weights come from a folder or a pinned hub repository."""

"""Building corpora of speech that nobody said: voices × emotions × texts × engines."""

from emoforge.augment.corpus_builder.building import synthesize

__all__ = ["synthesize"]

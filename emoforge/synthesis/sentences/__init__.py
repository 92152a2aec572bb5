"""Sentences to be spoken: those that emoforge brings, and a user's own file of texts."""

from emoforge.synthesis.sentences.shipped import LICENCE, Sentences, languages, sentences
from emoforge.synthesis.sentences.texts import Text, read_texts

__all__ = ["LICENCE", "Sentences", "Text", "languages", "read_texts", "sentences"]

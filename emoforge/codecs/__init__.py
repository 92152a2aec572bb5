"""Codecs, resynthesis by them, and the report of what they do to emotion."""

from emoforge.codecs.codec import Bitstream, Coded, Codec, Payload

__all__ = ["Bitstream", "Coded", "Codec", "Payload"]

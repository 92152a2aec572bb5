"""Codecs, resynthesis by them, and the report of what they do to emotion."""

from emoforge.codecs.codec import Bitstream, Codec, Coded, Payload
from emoforge.codecs.listing import CodecSettings, Listed, list_codecs, roundtrip_file
from emoforge.codecs.specs import Chosen, Settings, choose_codecs, codec_names, codec_points
from emoforge.codecs.validation import Validation, ValidationConfig, validate, validate_measures

__all__ = [
    "Bitstream",
    "Chosen",
    "Codec",
    "CodecSettings",
    "Coded",
    "Listed",
    "Payload",
    "Settings",
    "Validation",
    "ValidationConfig",
    "choose_codecs",
    "codec_names",
    "codec_points",
    "list_codecs",
    "roundtrip_file",
    "validate",
    "validate_measures",
]

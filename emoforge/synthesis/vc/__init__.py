"""Voice conversion: what a clip says and how, in another voice."""

from emoforge.synthesis.vc.converter import Converter

__all__ = ["Converter"]

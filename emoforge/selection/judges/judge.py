"""What every judge offers: audio in, an embedding and class distributions out.

A judge is an encoder (audio → embedding) and a head (embedding → distribution). Some weights
bring a classifier of their own; a head that was trained on the encoder's embeddings
(`emoforge judge train recipe=head`) takes its place. Encoding is the slow half: its results are
kept in the workspace under the encoder's key, and every head works on what is kept.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emoforge.component import INCIDENTAL, Component, digest
from emoforge.errors import AudioError, ConfigError

if TYPE_CHECKING:
    from emoforge.selection.judges.heads import Heads

Distributions = Mapping[str, Sequence[float]]
"""Scheme name → one probability a class of the scheme, summing to 1.

An ensemble adds what its members say, each under `scheme name + MEMBER + place`.
"""

AT_ONCE_S = 120.0
"""Seconds of audio that a judge on a processor gets at a time."""

MEMBER = "/"
"""Between a scheme's name and a member's place in its ensemble."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """What an encoder makes of one clip.

    embedding: float32 of shape [parts, width]. One part, unless the encoder was asked for all its
        layers or for segments in time; every clip has the same shape.
    native: what the weights' own classifier says; empty where there is none.
    dimensions: valence, arousal and dominance in [0, 1], of weights that hear these; else empty.
    """

    embedding: npt.NDArray[np.float32]
    native: Distributions = field(default_factory=dict)
    dimensions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a judge hears in one clip; embedding: float32 of shape [parts, width]."""

    distributions: Distributions
    embedding: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Judge(Component):
    """An SER model.

    head: weights of a head that was trained on this encoder's embeddings; "" takes the
        classifier that the encoder's own weights bring.
    card: the judge's report card (JSON); "" looks beside the weights, see `card_path`.
    """

    head: str = field(default="", metadata=INCIDENTAL, kw_only=True)
    card: str = field(default="", metadata=INCIDENTAL, kw_only=True)

    @property
    @abstractmethod
    def rate(self) -> int:
        """The sampling rate that it takes, Hz; needs no `setup`."""

    @property
    @abstractmethod
    def encoder_weights(self) -> str:
        """Digest of the encoder's weights, "" where there are none; needs no `setup`.

        Raises RequirementError if they cannot be read.
        """

    @property
    @abstractmethod
    def native_schemes(self) -> Collection[str]:
        """Schemes that the weights' own classifier answers under; needs no `setup`."""

    @property
    def place(self) -> Path | None:
        """The encoder's weights, a file or a folder; None where they are not files of the user."""
        return None

    @property
    def at_once_s(self) -> float:
        """Seconds of audio to hand to `encode` at a time: work for every device, within memory."""
        return AT_ONCE_S

    @abstractmethod
    def encode(self, audios: Sequence[npt.NDArray[np.float32]]) -> list[Encoding | AudioError]:
        """Encode mono clips at `rate`, each float32 of shape [n], n may differ.

        The same clip gets the same encoding alone as in a batch (to 1e-4 of its norm). A clip
        that cannot be judged (too short, not finite) gets its AudioError, and the others go on.
        """

    @property
    def encoder(self) -> str:
        """Key of its embeddings: judges of equal keys differ in the head only."""
        own = digest(self.name, self.version, self.encoder_weights, self.options())
        return f"{self.name}-{own[:12]}"

    @property
    def weights(self) -> str:
        """Digest of the encoder's weights and the head's."""
        return (
            digest(self.encoder_weights, self._heads.digest) if self.head else self.encoder_weights
        )

    @property
    def key(self) -> str:
        """Key of its scores."""
        return f"{self.name}-{digest(self.signature())[:12]}"

    @property
    def schemes(self) -> Collection[str]:
        """Names of the schemes that it gives distributions under; needs no `setup`."""
        return tuple(self._heads.schemes) if self.head else self.native_schemes

    @cached_property
    def _heads(self) -> "Heads":
        from emoforge.selection.judges.heads import Heads

        heads = Heads.load(Path(self.head))
        if heads.encoder != self.encoder:
            raise ConfigError(
                f"{self.head}: this head was trained on embeddings of {heads.encoder}, "
                f"the judge's are {self.encoder}; train a head for it, or name the encoder "
                "that it was trained with"
            )
        return heads

    def distributions(self, encodings: Sequence[Encoding]) -> list[Distributions]:
        """What the head (or the weights' own classifier) hears in clips that are encoded."""
        if not self.head:
            return [encoding.native for encoding in encodings]
        if not encodings:
            return []
        heard = self._heads.distributions(np.stack([e.embedding for e in encodings]))
        return [
            {name: tuple(rows[i].tolist()) for name, rows in heard.items()}
            for i in range(len(encodings))
        ]

    def score(self, audios: Sequence[npt.NDArray[np.float32]]) -> list[Scores | AudioError]:
        """Encode a batch of clips and hear them: see `encode` for what they must be."""
        encodings = self.encode(audios)
        heard: Iterator[Distributions] = iter(
            self.distributions([e for e in encodings if isinstance(e, Encoding)])
        )
        return [
            Scores(next(heard), e.embedding) if isinstance(e, Encoding) else e for e in encodings
        ]


def unusable(samples: npt.NDArray[np.float32], rate: int, shortest: int) -> AudioError | None:
    """Why a clip cannot be encoded, or None; shortest: samples of the encoder's first frame."""
    if samples.ndim != 1:
        return AudioError(f"judges hear mono clips, got an array of shape {samples.shape}")
    if len(samples) < shortest:
        return AudioError(
            f"the clip has {len(samples)} samples, the judge needs {shortest} "
            f"({1000 * shortest / rate:.0f} ms) or more"
        )
    if len(samples) > LONGEST_S * rate:
        return AudioError(
            f"the clip lasts {len(samples) / rate:.0f} s, judges hear up to {LONGEST_S} s; "
            "cut it into utterances"
        )
    bad = int(np.count_nonzero(~np.isfinite(samples)))
    if bad:
        return AudioError(f"{bad} of {len(samples)} samples are not finite (NaN or infinite)")
    return None


LONGEST_S = 300
"""An utterance of more than five minutes is a mistake of the corpus."""

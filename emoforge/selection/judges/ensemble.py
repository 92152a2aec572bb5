"""The judge `ensemble`: several judges as one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, cast

import numpy as np
import numpy.typing as npt

from emoforge.audio import Audio
from emoforge.component import create, digest
from emoforge.errors import AudioError, ConfigError
from emoforge.selection.judges.judge import MEMBER, Distributions, Encoding, Judge, unusable

_SMALLEST = 1e-12
"""Probability that counts as none in a product: one member's certainty is no veto."""


@dataclass(frozen=True)
class EnsembleJudge(Judge):
    """Late fusion: what its members hear, weighed (as S. Kataria and X. Hu fuse a zero-shot judge
    with a trained one: "ZS-Fuse", arXiv 2603.23057). With a `head`, early fusion: one head that
    hears their embeddings side by side.

    members: one mapping each, `name` and the options of that judge, its `head` among them.
    shares: how much each member counts; equal if none are given.
    fusion: of the members' distributions: `mean`, or `product`, the geometric mean, in which one
        that is sure counts for more.
    """

    name: ClassVar[str] = "ensemble"
    version: ClassVar[int] = 1

    members: list[dict[str, Any]] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    fusion: Literal["mean", "product"] = "mean"

    def __post_init__(self) -> None:
        if not self.members:
            raise ConfigError(
                "an ensemble needs members: judge.members=[{name: embedded},{name: egemaps,…}]"
            )
        if self.shares and (
            len(self.shares) != len(self.members)
            or not all(np.isfinite(share) and share > 0 for share in self.shares)
        ):
            raise ConfigError(
                f"judge.shares={self.shares}: one number above 0 for each of "
                f"{len(self.members)} members"
            )
        _ = self.judges

    @cached_property
    def judges(self) -> list[Judge]:
        """Its members, in their order."""
        judges = []
        for place, member in enumerate(self.members):
            own = dict(member)
            name = str(own.pop("name", ""))
            if name == self.name:
                raise ConfigError(
                    f"judge.members.{place}: an ensemble cannot be a member; name its members here"
                )
            judges.append(cast(Judge, create("judge", name, own)))
        return judges

    @property
    def _weights(self) -> npt.NDArray[np.float64]:
        """Shares that sum to 1."""
        shares = np.array(self.shares or [1.0] * len(self.members), np.float64)
        return np.asarray(shares / shares.sum(), np.float64)

    def options(self) -> dict[str, Any]:
        """What its answers depend on: of a member not where it computes or where its files are."""
        return {
            "members": [{"name": judge.name, **judge.options()} for judge in self.judges],
            "shares": [round(share, 6) for share in self._weights.tolist()],
            "fusion": self.fusion,
        }

    def check_requirements(self) -> None:
        """Raise RequirementError for the first member that cannot run here."""
        for judge in self.judges:
            judge.check_requirements()

    @property
    def at_once_s(self) -> float:
        """As much as its hungriest member takes."""
        return max(judge.at_once_s for judge in self.judges)

    def setup(self) -> None:
        """Load the members' weights."""
        for judge in self.judges:
            judge.setup()

    @property
    def rate(self) -> int:
        """The highest of its members; the others hear the clip at their own."""
        return max(judge.rate for judge in self.judges)

    @property
    def encoder_weights(self) -> str:
        """Digest of the members' weights and heads: both are in what it answers natively."""
        return digest([judge.weights for judge in self.judges])

    @property
    def native_schemes(self) -> tuple[str, ...]:
        """Those that all members know, in the order of the first."""
        return tuple(
            name
            for name in self.judges[0].schemes
            if all(name in judge.schemes for judge in self.judges)
        )

    def encode(self, audios: Sequence[npt.NDArray[np.float32]]) -> list[Encoding | AudioError]:
        """Encode with every member: the embedding [1, width] is theirs, end to end.

        Native distributions are the fused one under each common scheme, and each member's under
        scheme name, `MEMBER`, its place from 0. A clip that one member refuses gets its error.
        """
        answers: list[Encoding | AudioError | None] = [unusable(a, self.rate, 1) for a in audios]
        sound = [i for i, fault in enumerate(answers) if fault is None]
        heard = [self._by_member(judge, [audios[i] for i in sound]) for judge in self.judges]
        for i, members in zip(sound, zip(*heard, strict=True), strict=True):
            faults = [answer for answer in members if isinstance(answer, AudioError)]
            answers[i] = faults[0] if faults else self._fused(members)
        return [answer for answer in answers if answer is not None]

    def _by_member(
        self, judge: Judge, audios: Sequence[npt.NDArray[np.float32]]
    ) -> list[tuple[Encoding, Distributions] | AudioError]:
        encodings = judge.encode(
            [Audio(samples, self.rate).resampled(judge.rate).samples for samples in audios]
        )
        heard = iter(judge.distributions([e for e in encodings if isinstance(e, Encoding)]))
        return [(e, next(heard)) if isinstance(e, Encoding) else e for e in encodings]

    def _fused(self, members: Sequence[Any]) -> Encoding:
        """One encoding of the members' (encoding, distributions)."""
        native: dict[str, tuple[float, ...]] = {}
        for name in self.native_schemes:
            own = np.array([distributions[name] for _, distributions in members], np.float64)
            if self.fusion == "mean":
                fused = self._weights @ own
            else:
                fused = np.exp(self._weights @ np.log(np.maximum(own, _SMALLEST)))
            native[name] = tuple((fused / fused.sum()).tolist())
            for place, row in enumerate(own):
                native[f"{name}{MEMBER}{place}"] = tuple(row.tolist())
        flat = np.concatenate([encoding.embedding.ravel() for encoding, _ in members])
        return Encoding(flat[None].astype(np.float32, copy=False), native)

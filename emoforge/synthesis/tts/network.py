"""What speech engines that are neural networks share: weights, device, randomness, voices.

An engine of this kind is a `NetworkEngine` (with voices of its own) or a `CloningEngine` (with
those of reference clips) that says in a few small methods what its network is:

    needs, source                 the files of a model, and where the official ones are to be had
    _files()                      the files that its results depend on
    _load()                       the network with its weights, on the CPU (it is moved, kept here)
    _prepare(network, utterance)  what one utterance becomes; raises its own error
    _say(network, prepared)       a batch of these → samples of each, at `_rate(network)`
    _heard(network, waves, rate)  of a CloningEngine: what it hears in the references

Networks run in float32 and without gradients. What is random is drawn on the CPU from the
utterance's own seed, in the order in which the network's package would draw it: an utterance
sounds the same on every device and in every company, up to rounding.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from emoforge.audio import Audio, Samples
from emoforge.cast import Cast
from emoforge.clip import Clip
from emoforge.component import Params
from emoforge.errors import AudioError, ConfigError, EmoforgeError, SkipClip
from emoforge.network import computing, device_of, seeded
from emoforge.synthesis.network import NetworkGenerator
from emoforge.synthesis.shown import Shown
from emoforge.synthesis.tts.engine import SHORTEST_REFERENCE, Engine, Utterance, Voice

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class NetworkEngine(NetworkGenerator, Engine):
    """A text-to-speech engine that is a neural network; for its options see `NetworkGenerator`."""

    @abstractmethod
    def _rate(self, network: Any) -> int:
        """Sampling rate of what the network says, Hz."""

    @abstractmethod
    def _prepare(self, network: Any, utterance: Utterance) -> Any:
        """What `_say` is given for an utterance; raises EmoforgeError if it cannot be said."""

    @abstractmethod
    def _say(self, network: Any, prepared: Sequence[Any]) -> list[Samples]:
        """Say a batch; where a failure cannot be told apart, each is tried again alone."""

    def setup(self) -> None:
        """Load the network onto the device; raises ConfigError or RequirementError."""
        self._network()

    def speak(self, utterances: Sequence[Utterance]) -> list[Audio | EmoforgeError]:
        network = self._network()
        said: dict[int, Audio | EmoforgeError] = {}
        ready: dict[int, Any] = {}
        with computing(device_of(self.device)):
            for place, utterance in enumerate(utterances):
                try:
                    ready[place] = self._prepare(network, utterance)
                except Exception as error:  # such as a reference that a network cannot use
                    said[place] = self._failure(error)
            said.update(zip(ready, self._said(network, list(ready.values())), strict=True))
        return [said[place] for place in range(len(utterances))]

    def _said(self, network: Any, prepared: Sequence[Any]) -> list[Audio | EmoforgeError]:
        if not prepared:
            return []
        try:
            waves = self._say(network, prepared)
        except Exception as error:  # such as too little memory for the batch
            if len(prepared) > 1:
                return [said for one in prepared for said in self._said(network, [one])]
            return [self._failure(error)]
        rate = self._rate(network)
        return [self._checked(wave, rate) for wave in waves]

    def _failure(self, error: Exception) -> EmoforgeError:
        if isinstance(error, EmoforgeError):
            return error
        kind, reason = type(error).__name__, str(error).partition("\n")[0]
        return AudioError(f"{self.name} failed on this text ({kind}: {reason})")

    def _checked(self, wave: Samples, rate: int) -> Audio | EmoforgeError:
        if not len(wave) or not np.isfinite(wave).all():
            what = "samples that are not finite" if len(wave) else "nothing"
            return AudioError(f"{self.name} says {what} for this text")
        return Audio(np.ascontiguousarray(wave, np.float32), rate)

    def _network(self) -> Any:
        return _resident(self._bare(), self.weights)

    def _bare(self) -> "NetworkEngine":
        """Without what the network does not depend on: engines that plan otherwise share it."""
        return replace(
            self, emotion="keep", strength=(1.0, 1.0), variation=0.0, profile="", terms=""
        )


@dataclass(frozen=True)
class CloningEngine(NetworkEngine):
    """A network that speaks with the voice, and the emotion, of reference clips.

    strength: 1 is as the references in the emotion show it, 0 as the speaker's neutral clips do,
        which are then given too. Between them what the network hears is mixed in proportion, as
        the networks themselves average what they hear in several clips. More than 1 goes beyond
        what either shows: whether it is still heard as the emotion is for a judge to say.
    """

    strength: Sequence[float] = (1.0, 1.0)

    clones: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.emotion != "keep":
            raise ConfigError(
                f"{self.name} speaks with the emotion that its references show: emotion must be "
                f"'keep', got '{self.emotion}'"
            )

    @abstractmethod
    def _heard(
        self, network: Any, waves: Sequence["torch.Tensor"], rate: int
    ) -> tuple["torch.Tensor", ...]:
        """What the network hears of a voice in float32 waves [samples] on the device.

        Tensors that several clips can be averaged in.
        """

    @abstractmethod
    def _hearing_rate(self, network: Any) -> int:
        """Sampling rate of what the network hears, Hz."""

    def voices(self, language: str) -> Sequence[Voice]:
        """None of its own."""
        return ()

    def references(self, clip: Clip, cast: Cast, rng: np.random.Generator) -> tuple[Clip, ...]:
        """The clearest clips of the speaker in the emotion; where it is graded, neutral ones too.

        Raises SkipClip if there are none of these.
        """
        shown = super().references(clip, cast, rng)
        if not shown or clip.emotion == "neutral" or tuple(self.strength) == (1, 1):
            return shown
        neutral = cast.clips(clip.speaker, "neutral", split=clip.split, shortest=SHORTEST_REFERENCE)
        return (*shown, *neutral[: len(shown)])

    def plan(self, clip: Clip, rng: np.random.Generator) -> Params:
        params = super().plan(clip, rng)
        emotional, neutral = _by_emotion(clip.references, params["emotion"])
        if not emotional or (params["strength"] != 1 and not neutral):
            lacks = "neutral" if emotional else params["emotion"]
            raise SkipClip(
                f"no '{lacks}' clip of its speaker lasts {SHORTEST_REFERENCE:g} s, which "
                f"strength {params['strength']:g} needs"
            )
        return params

    def _voice_of(self, network: Any, utterance: Utterance) -> tuple["torch.Tensor", ...]:
        """What the network is to sound like; raises AudioError for an unreadable reference."""
        import torch

        emotional, neutral = _by_emotion(utterance.references, utterance.emotion)
        shown = self._of_clips(emotional)
        if utterance.strength == 1 or utterance.emotion == "neutral":
            return shown
        pairs = zip(self._of_clips(neutral), shown, strict=True)
        return tuple(torch.lerp(plain, own, utterance.strength) for plain, own in pairs)

    def _of_clips(self, clips: Sequence[Clip]) -> tuple["torch.Tensor", ...]:
        shown = tuple(Shown.of(one) for one in clips)
        return _heard_once(self._bare(), self.weights, shown)


def _by_emotion(
    references: Sequence[Clip], emotion: str
) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
    """Those that show an emotion, and those that show the neutral voice."""
    neutral = tuple(one for one in references if one.emotion == "neutral")
    if emotion == "neutral":
        return neutral or tuple(references), neutral or tuple(references)
    return tuple(one for one in references if one.emotion != "neutral"), neutral


@lru_cache(maxsize=2)
def _resident(engine: NetworkEngine, weights: str) -> Any:
    """An engine's network on its device, loaded once per process while its files stay."""
    device = device_of(engine.device)
    with seeded(0):  # networks draw first weights that nobody uses
        network = engine._load()
    network.eval()
    return network.requires_grad_(False).to(device)


@lru_cache(maxsize=1024)
def _heard_once(
    engine: CloningEngine, weights: str, shown: tuple[Shown, ...]
) -> tuple["torch.Tensor", ...]:
    """What an engine hears in these clips, once per process: a speaker's in an emotion recur."""
    import torch

    network = _resident(engine, weights)
    rate = engine._hearing_rate(network)
    device = device_of(engine.device)
    waves = [torch.from_numpy(one.read().resampled(rate).samples).to(device) for one in shown]
    return engine._heard(network, waves, rate)

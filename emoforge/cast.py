"""Who can be heard in a corpus, and the clips that show a voice, or a voice in an emotion, best."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from emoforge.clip import Clip, Split


@dataclass(frozen=True)
class Cast:
    """The recordings of a corpus by speaker, the clearest first.

    clarity: clip id → the judge's probability of the emotion that the clip carries; clips that
    were not judged come last. Equal ones stand in id order.
    """

    by_speaker: Mapping[str, Sequence[Clip]]

    @classmethod
    def of(cls, clips: Iterable[Clip], clarity: Mapping[str, float] | None = None) -> "Cast":
        """The cast of these recordings; those whose speaker refused to be cloned are left out."""
        heard = clarity or {}
        found: dict[str, list[Clip]] = defaultdict(list)
        for clip in sorted(clips, key=lambda clip: (-heard.get(clip.id, -1.0), clip.id)):
            if clip.consents is not False:
                found[clip.speaker].append(clip)
        return cls(dict(sorted(found.items())))

    def speakers(self, split: Split | None = None) -> list[str]:
        """Names in order; of one split where it is given."""
        return [
            speaker
            for speaker, clips in self.by_speaker.items()
            if split is None or any(clip.split == split for clip in clips)
        ]

    def clips(
        self,
        speaker: str,
        emotion: str | None = None,
        *,
        split: Split | None = None,
        without: Collection[str] = (),
        shortest: float = 0.0,
    ) -> list[Clip]:
        """Clips of a speaker, the clearest first: those of one emotion and split if given.

        without: ids to leave out. shortest: seconds that a clip must last.
        """
        return [
            clip
            for clip in self.by_speaker.get(speaker, ())
            if (emotion is None or clip.emotion == emotion)
            and (split is None or clip.split == split)
            and clip.id not in without
            and clip.duration >= shortest
        ]

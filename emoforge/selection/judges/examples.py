"""Training material in memory: log-mels of every clip in several voices, and its labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from emoforge.clip import Clip
from emoforge.errors import CorpusError
from emoforge.label import scheme
from emoforge.progress import Progress
from emoforge.selection.judges.features import RATE, log_mel, mel_bank, power_spectrogram, spoken
from emoforge.selection.judges.recipe import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Clips ready for training; some 5 MB for a minute of speech with the default recipe.

    mels: log-mels of all clips end to end, float16 [voices, frames, mels]; the middle voice is
        the clip as it is.
    starts, lengths: each clip's frames, [n].
    targets: by scheme, its label as a distribution, [n, classes]; all zero where the label has
        no counterpart in the scheme.
    allowed: by scheme, the classes that the clip's corpus has, bool [n, classes].
    """

    mels: Tensor
    starts: Tensor
    lengths: Tensor
    targets: dict[str, Tensor]
    allowed: dict[str, Tensor]
    clips: tuple[Clip, ...]

    def __len__(self) -> int:
        return len(self.clips)


def load_examples(clips: Sequence[Clip], recipe: Recipe, progress: Progress) -> Examples:
    """Read and analyse clips; those that no scheme of the recipe can label are left out.

    Raises AudioError for a clip that cannot be read, CorpusError if none is left.
    """
    schemes = [scheme(name) for name in recipe.schemes]
    usable = [c for c in clips if any(c.label.project(s) is not None for s in schemes)]
    if not usable:
        raise CorpusError(f"none of {len(clips)} clips has an emotion of {recipe.schemes}")
    spread = recipe.perturbation.voice
    steps = torch.linspace(-spread, spread, recipe.perturbation.voices).exp().tolist()
    banks = torch.stack([mel_bank(recipe.features, step) for step in steps])
    mels = []
    with progress.stage("analyse", len(usable)) as advance:
        for clip in usable:
            samples = torch.from_numpy(clip.read(RATE).samples)
            power = power_spectrogram(samples, recipe.features)
            voices = log_mel(power, banks).half()
            mels.append(voices[:, spoken(voices[len(voices) // 2].float())])
            advance(1)
    lengths = torch.tensor([m.shape[1] for m in mels])
    targets, allowed = {}, {}
    corpora = [clip.corpus for clip in usable]
    for s in schemes:
        labels = [clip.label.project(s) for clip in usable]
        none = (0.0,) * len(s.classes)
        targets[s.name] = torch.tensor([label.distribution if label else none for label in labels])
        has = {
            name: targets[s.name][[i for i, c in enumerate(corpora) if c == name]].sum(0) > 0
            for name in set(corpora)
        }
        allowed[s.name] = torch.stack([has[name] for name in corpora])
    return Examples(
        torch.cat(mels, 1), lengths.cumsum(0) - lengths, lengths, targets, allowed, tuple(usable)
    )

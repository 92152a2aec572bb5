"""CLAP as a classifier: how alike a sound and sentences are; and its spectrograms.

The feature extractor of transformers cuts long audio at a random place, and declares a random clip
of a batch longer than it is, both from NumPy's global generator. Here audio comes in parts that
fit, and none is longer.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from transformers import ClapFeatureExtractor, ClapModel


class ZeroShot(nn.Module):
    """Similarity of sounds to classes, each described by sentences.

    model, extractor: CLAP and its feature extractor; classes: embeddings [classes, width] of
    length 1 (see `described`).
    """

    classes: Tensor

    def __init__(
        self, model: "ClapModel", extractor: "ClapFeatureExtractor", classes: Tensor
    ) -> None:
        super().__init__()
        self.model = model
        self.extractor = extractor
        self.register_buffer("classes", classes)

    def forward(self, parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Parts float32 [n] to embeddings [b, width] of length 1 and logits [b, classes]."""
        features = torch.stack([input_features(part, self.extractor) for part in parts])
        longer = torch.zeros(len(parts), 1, dtype=torch.bool, device=features.device)
        heard = self.model.get_audio_features(input_features=features, is_longer=longer)
        embeddings = heard.pooler_output
        return embeddings, embeddings @ self.classes.T * self.model.logit_scale_a.exp()


def described(model: "ClapModel", tokenizer: Any, sentences: Mapping[str, Sequence[str]]) -> Tensor:
    """The embedding of each class [classes, width]: the mean of its sentences', of length 1.

    As A. Radford et al. ensemble prompts ("Learning transferable visual models from natural
    language supervision", ICML 2021, section 3.1.4).
    """
    found = []
    with torch.inference_mode():
        for texts in sentences.values():
            tokens = tokenizer(list(texts), padding=True, return_tensors="pt")
            each = model.get_text_features(
                input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
            )
            found.append(functional.normalize(each.pooler_output.mean(0), dim=0))
        return torch.stack(found)


def input_features(part: Tensor, extractor: "ClapFeatureExtractor") -> Tensor:
    """Samples [n], n up to the extractor's `nb_max_samples`, to [channels, frames, bands].

    Levels in dB, float32. Short audio is repeated (`repeatpad`, `repeat`) and followed by zeros. A
    model of `fusion` takes four channels, which are alike where audio is not longer than it takes.
    """
    length = int(extractor.nb_max_samples)
    whole, rest = divmod(length, len(part))
    if extractor.padding in ("repeat", "repeatpad"):
        part = part.repeat(whole + (extractor.padding == "repeat" and rest > 0))[:length]
    samples = functional.pad(part, (0, length - len(part))).double()
    size = int(extractor.fft_window_size)
    spectrum = torch.stft(
        samples,
        size,
        int(extractor.hop_length),
        window=torch.hann_window(size, dtype=samples.dtype, device=samples.device),
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    fused = extractor.truncation == "fusion"
    # The bands of torchaudio for models of `fusion`, those of librosa for the others.
    bands = torch.from_numpy(extractor.mel_filters if fused else extractor.mel_filters_slaney)
    power = bands.to(samples).T @ (spectrum.real.square() + spectrum.imag.square())
    levels = 10 * power.clamp_min(1e-10).log10()
    return levels.T.float().expand(4 if fused else 1, -1, -1)

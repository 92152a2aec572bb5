"""SpeechBrain's emotion classifier on wav2vec 2.0, without SpeechBrain."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn, stack
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model


class Network(nn.Module):
    """wav2vec 2.0, mean over time, linear classifier.

    input_norm: the waveform is brought to mean 0 and variance 1; output_norm: the frames.
    """

    def __init__(
        self,
        encoder: "Wav2Vec2Model",
        classifier: nn.Linear,
        *,
        input_norm: bool,
        output_norm: bool,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = classifier
        self.input_norm = input_norm
        self.output_norm = output_norm

    def forward(self, waves: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Clips float32 [n] each; embeddings [b, width] and logits [b, classes].

        A clip gets the same in any company: the convolutions, whose first layer is normalised
        over time, take one clip at a time; the attention sees a clip's own frames only.
        """
        frames = []
        for wave in waves:
            heard = functional.layer_norm(wave, wave.shape) if self.input_norm else wave
            frames.append(self.encoder.feature_extractor(heard[None])[0].T)
        own = pad_sequence(
            [features.new_ones(len(features)) for features in frames], batch_first=True
        ).bool()
        hidden, _ = self.encoder.feature_projection(pad_sequence(frames, batch_first=True))
        hidden = self.encoder.encoder(hidden, attention_mask=own).last_hidden_state
        pooled = []
        for clip, features in zip(hidden, frames, strict=True):
            clip = clip[: len(features)]
            if self.output_norm:
                clip = functional.layer_norm(clip, clip.shape)
            pooled.append(clip.mean(0))
        embeddings = stack(pooled)
        return embeddings, self.classifier(embeddings)

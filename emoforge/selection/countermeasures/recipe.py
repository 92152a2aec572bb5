"""How countermeasures are trained."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CountermeasureRecipe:
    """Settings of a training; an epoch draws as many clips as there are, half of them bona fide.

    seconds: of each clip that is heard at a time; a shorter one is repeated until it fills them.
    epochs: at most so many; it ends when the dev split has not got better for `patience` of them.
    more: epochs that follow, for the pooled countermeasure on all clips, and for one of each
        emotion on the clips of that emotion: the same work for both.
    rate, more_rate: learning rates of AdamW at the start of each; they fall as a cosine.
    """

    seconds: float = 2.0
    epochs: int = 20
    patience: int = 5
    more: int = 8
    rate: float = 1e-3
    more_rate: float = 3e-4
    batch: int = 32
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        if self.seconds < 0.5:
            raise ValueError(f"seconds={self.seconds:g}: must be 0.5 or more")
        for name in ("epochs", "patience", "more", "batch"):
            least = 2 if name == "batch" else 1
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)}: must be {least} or more")

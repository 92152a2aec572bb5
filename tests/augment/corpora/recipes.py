"""Recipes as a run composes them, and the types of this folder's fixtures."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from emoforge.augment.corpora import Corpus, CorpusConfig
from emoforge.config import build, choices

CONFIGS = Path(__file__).parents[3] / "emoforge" / "configs"
RECIPES = choices("corpus")


Read = Callable[..., Corpus]
Files = Callable[[Mapping[str, str]], Path]


def recipe(name: str, /, **settings: Any) -> CorpusConfig:
    """The recipe `name` with some settings replaced, composed by Hydra and typed as in a run."""
    return build(CorpusConfig, {**_composed(name), **settings}, "corpus.")


@cache
def _composed(name: str) -> dict[str, Any]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        composed = compose(overrides=[f"+corpus={name}"])
    values = OmegaConf.to_container(composed.corpus, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}

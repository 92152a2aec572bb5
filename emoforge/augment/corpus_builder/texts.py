"""The texts of a corpus that is to be built, by language and emotion."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emoforge.augment.corpora import Problem
from emoforge.clip import Clip
from emoforge.errors import ConfigError, nearest
from emoforge.synthesis.sentences import LICENCE, Text, languages, read_texts, sentences

_SHIPPED = ("neutral", "congruent")
CORPUS = "corpus"


@dataclass(frozen=True)
class Texts:
    """What can be said; problems: rows of a file that cannot; licence: of the texts, if stated."""

    texts: Sequence[Text]
    problems: Sequence[Problem] = ()
    licence: str | None = None

    def languages(self) -> list[str]:
        """Languages that there are texts in."""
        return sorted({text.language for text in self.texts})

    def has(self, language: str) -> bool:
        """Whether there are texts in a language."""
        return any(same_language(one, language) for one in self.languages())

    def of(self, language: str, emotion: str) -> list[str]:
        """Texts in a language that suit an emotion, in their order, each once."""
        return list(
            dict.fromkeys(
                text.text
                for text in self.texts
                if same_language(text.language, language) and text.emotion in (None, emotion)
            )
        )


def same_language(one: str, other: str) -> bool:
    """Whether two tags (`en`, `en-US`) are of one language."""
    return one.lower().partition("-")[0] == other.lower().partition("-")[0]


def load_texts(source: str, clips: Sequence[Clip], licence: str = "") -> Texts:
    """Texts by a recipe's `texts`: shipped ones, those of the clips, or a file's.

    licence: of texts that are not shipped, "" where it is not stated.

    Raises ConfigError for one that is none of these.
    """
    if source in _SHIPPED:
        shipped = [text for language in languages() for text in _shipped(language, source)]
        return Texts(shipped, licence=LICENCE)
    if source == CORPUS:
        said = [
            Text(clip.text, clip.language, None) for clip in clips if clip.text and clip.language
        ]
        if not said:
            raise ConfigError("recipe.texts=corpus: the corpus has no clip with text and language")
        return Texts(said, licence=licence or None)
    if not Path(source).suffix:
        raise ConfigError(
            f"recipe.texts={source}: neither a file nor one of these: "
            f"{nearest(source, (*_SHIPPED, CORPUS))}"
        )
    texts, problems = read_texts(Path(source))
    faults = [Problem(where, sentence) for where, sentence in problems]
    return Texts(texts, faults, licence or None)


def _shipped(language: str, kind: str) -> list[Text]:
    own = sentences(language)
    if kind == "neutral":
        return [Text(text, language, None) for text in own.neutral]
    return [
        Text(text, language, emotion) for emotion, texts in own.congruent.items() for text in texts
    ]

"""What a corpus configuration may say: the schema of the config group `corpus`."""

from dataclasses import dataclass, field


@dataclass
class Columns:
    """Which column of a table holds which field; "" means: the first usual name that is there.

    The usual names are in `emoforge.augment.corpora.tables.USUAL`. `votes` and `distribution`
    are columns with a JSON object (emotion → count or probability). `start` and `duration`
    (seconds) cut a segment out of a file; a duration without a start is not used, because
    the length of a whole file is measured when its audio is read.
    """

    path: str = ""
    id: str = ""
    emotion: str = ""
    speaker: str = ""
    text: str = ""
    language: str = ""
    gender: str = ""
    split: str = ""
    start: str = ""
    duration: str = ""
    licence: str = ""
    consent: str = ""
    corpus: str = ""
    modality: str = ""
    valence: str = ""
    arousal: str = ""
    dominance: str = ""
    votes: str = ""
    distribution: str = ""


@dataclass
class Metadata:
    """A table beside the audio of a folder corpus that says more about its clips.

    file: path under the root, wildcards allowed; nothing happens where there is none.
    key: the column that names the clip, or the speaker if `by` is `speaker`; folders and the
        suffix of what it holds do not count.
    header: the column names of a file that has no header line.
    encoding: of a file that is neither UTF-8 nor UTF-16 with a byte order mark.
    only: column → pattern that its value must match in full; other rows are passed over.
    votes: column with a count of votes → emotion.
    """

    file: str = "???"
    key: str = "???"
    by: str = "id"
    header: list[str] = field(default_factory=list)
    encoding: str = ""
    only: dict[str, str] = field(default_factory=dict)
    columns: Columns = field(default_factory=Columns)
    votes: dict[str, str] = field(default_factory=dict)


@dataclass
class SplitConfig:
    """How clips come into train, dev and test.

    by: `speaker`: whole speakers, drawn with `seed` so that clips come near the shares `train`,
        `dev` and `test` in total and per gender and emotion; `column`: what the corpus itself
        says; `official`: the speakers in `official`; `auto`: the official speakers if there are
        any, else what the corpus says if it says anything, else `speaker`.
    official: split → its speakers, as the corpus names them; all others are in train.
    names: the corpus's own name of a split → train, dev or test.
    """

    by: str = "auto"
    train: float = 0.7
    dev: float = 0.15
    test: float = 0.15
    seed: int = 0
    official: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


@dataclass
class CorpusConfig:
    """A corpus: where it is, how it is laid out, what its labels mean.

    name: prefix of the clip ids, and what reports call the corpus.
    reader: one of `emoforge.augment.corpora.READERS`.
    root: its folder; `package:starter` is the corpus that comes with emoforge. A manifest's
        folder where it is "".
    manifest: a table's path, from the root or the working directory; with wildcards it may
        be several. Files called train, valid, test, … give the split of rows that do not say.
    audio: folder under the root that the paths of a manifest start from.
    pattern: for `folder`: a regular expression for the path under the root, or for its end from
        a folder's name on. Its named groups are fields (see `Columns`).
    labels: the corpus's emotion names → canonical ones, beside the usual aliases; "" leaves
        the clips out (no agreement among raters, …).
    votes: column with a count of votes → emotion.
    texts: code of a sentence → the sentence, for corpora whose file names hold a code; `*` is
        any other code, and `{text}` in its sentence stands for it.
    genders: speaker → gender, for corpora whose file names do not tell.
    languages: speaker → language, for corpora of several languages.
    speaker: what a speaker is called, from `{speaker}`: codes such as `03` need the corpus's
        name to be unique; text without `{speaker}` treats all clips as one speaker's.
    language, licence, consent: of all clips whose row does not say; speakers who
        refuse (`no`, `denied`, …) are not cloned.
    modality: what the raters saw (`emoforge.label.Modality`) where the row does not say; "" is
        `audio` where there are votes, a distribution or valence, arousal and dominance, and
        `intended` elsewhere.
    vad_range: lowest and highest value on the scale of valence, arousal and dominance.
    outside: allow audio outside the root (absolute paths, links, URLs).
    citation: what to cite.
    examples: documented file names and the fields that they must give; read by the tests.
    """

    name: str = "???"
    reader: str = "manifest"
    root: str = "???"
    manifest: str = ""
    audio: str = ""
    pattern: str = ""
    columns: Columns = field(default_factory=Columns)
    labels: dict[str, str] = field(default_factory=dict)
    votes: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    genders: dict[str, str] = field(default_factory=dict)
    languages: dict[str, str] = field(default_factory=dict)
    metadata: list[Metadata] = field(default_factory=list)
    speaker: str = "{speaker}"
    language: str = ""
    licence: str = ""
    consent: str = ""
    modality: str = ""
    vad_range: list[float] = field(default_factory=lambda: [0.0, 1.0])
    split: SplitConfig = field(default_factory=SplitConfig)
    outside: bool = False
    citation: str = ""
    examples: dict[str, dict[str, str]] = field(default_factory=dict)

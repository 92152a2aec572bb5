"""Corpora whose labels stand in files of their own, in the layout that they document."""

import json

import pytest
from recipes import Files, Read

from emoforge.errors import CorpusError
from emoforge.label import BASIC4, FULL

EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 3.0000]
C-E2:\tNeutral state;\t()
C-E3:\tNeutral state;\t()
C-E4:\tNeutral state; Sadness;\t()
C-F1:\tAnger;\t()
A-E3:\tval 3; act 2; dom  2;\t()
A-F1:\tval 3; act 2; dom  1;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M001\txxx\t[2.5000, 3.0000, 3.0000]
C-E2:\tFrustration;\t()
C-E3:\tOther;\t(confused)
C-E4:\tNeutral state;\t()

[14.8872 - 18.0175]\tSes01F_impro01_M002\thap\t[5.0000, 1.0000, 3.0000]
C-E2:\tExcited;\t()
C-E3:\tHappiness; Excited;\t()
C-E4:\tHappiness;\t()

[20.0 - 21.0]\tSes01F_impro01_M003\tfru\t[5.5000, 1.0000, 3.0000]
C-E2:\tFrustration;\t()
[22.0 - 23.0] something else
"""
TRANSCRIPTION = """Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
M: Next. [LAUGHTER]
Ses01F_impro01_M002 [014.8872-018.0175]: Did you get the mail?
"""


def test_iemocap(files: Files, read: Read) -> None:
    said = {
        "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt": EVALUATION,
        "Session1/dialog/EmoEvaluation/._Ses01F_impro01.txt": "\0",
        "Session1/dialog/EmoEvaluation/Categorical/Ses01F_impro01_e2_cat.txt": "other",
        "Session1/dialog/transcriptions/Ses01F_impro01.txt": TRANSCRIPTION,
    }
    for n, session in ((4, "Session4"), (5, "Session5")):
        name = f"Ses0{n}M_script01_1"
        block = f"[0.0 - 1.0]\t{name}_F000\tang\t[1.0, 5.0, 3.0]\nC-E1:\tAnger;\t()\n"
        said[f"{session}/dialog/EmoEvaluation/{name}.txt"] = block
    root = files(said)
    corpus = read("iemocap", FULL, root=root)
    assert corpus.left_out == {"xxx": 1}
    neutral, happy, fourth, fifth = corpus.clips
    assert neutral.id == "iemocap/Ses01F_impro01_F000"
    assert neutral.path == f"{root}/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    assert neutral.emotion == "neutral"
    assert neutral.label.vad == (0.375, 0.375, 0.5)
    assert neutral.label.probability("neutral") == 0.75
    assert neutral.label.probability("angry") == 0  # the actor's own view does not count
    assert (neutral.text, neutral.speaker, neutral.gender) == (
        "Excuse me.",
        "iemocap_Ses01F",
        "female",
    )
    # Two votes each for happiness and excitement: the corpus's verdict counts.
    assert happy.emotion == "happy"
    assert happy.label.votes is not None
    assert sorted(happy.label.votes)[-2:] == [2, 2]
    assert (happy.speaker, happy.text) == ("iemocap_Ses01M", "Did you get the mail?")
    assert [c.split for c in corpus.clips] == ["train", "train", "dev", "test"]
    assert {c.label.modality for c in corpus.clips} == {"audiovisual"}
    assert fourth.label.vad == fifth.label.vad == (0.0, 1.0, 0.5)
    faults = {p.where.rpartition(":")[2]: p.sentence for p in corpus.problems}
    assert faults.keys() == {"21", "23"}
    assert "must lie in [1, 5]" in faults["21"]
    assert faults["23"] == "is no turn of IEMOCAP: [22.0 - 23.0] something else"
    # Four classes: excitement counts as happiness, and nothing is left to tie.
    assert [c.emotion for c in read("iemocap", BASIC4, root=root).clips][:2] == ["neutral", "happy"]
    with pytest.raises(CorpusError, match=r"is not IEMOCAP: there is no Session\*/dialog"):
        read("iemocap", root=root / "Session1")


CONSENSUS = """FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set
MSP-PODCAST_0001_0008.wav,N,4.0,4.6,4.2,127,Male,Train
MSP-PODCAST_0002_0033.wav,X,2.0,5.0,3.4,Unknown,Female,Train
MSP-PODCAST_0002_0039.wav,C,7,1,4,Unknown,Female,Train
MSP-PODCAST_0023_0001.wav,H,4,4,4,12,Female,Development
MSP-PODCAST_0153_0001.wav,S,4,4,4,13,Female,Test1
MSP-PODCAST_0153_0002.wav,A,4,4,8,13,Female,Test2
"""
CHOICES = [
    ("MSP-PODCAST_0001_0008.wav", "WORKER1", "Neutral"),
    ("MSP-PODCAST_0001_0008.wav", "WORKER2", "Neutral"),
    ("MSP-PODCAST_0001_0008.wav", "WORKER3", "Other-amused"),
    ("MSP-PODCAST_0153_0001.wav", "WORKER1", "Sad"),
]
DETAILS = {
    "labels_detailed.csv": "FileName,Worker,EmoClass_Major,EmoAct\n"
    + "".join(f"{name},{worker},{choice},4\n" for name, worker, choice in CHOICES),
    "labels_detailed.json": json.dumps(
        {
            name: {w: {"EmoClass_Major": c, "EmoAct": 4} for n, w, c in CHOICES if n == name}
            for name, _, _ in CHOICES
        }
    ),
}
OLD_DETAILS = "FileName,EmoDetail\n" + "".join(
    f'{name},"{worker}; {choice}; {choice},Concerned; A:4.0; V:4.0; D:4.0;"\n'
    for name, worker, choice in CHOICES
)


@pytest.mark.parametrize("details", ["csv", "json", "old csv"])
@pytest.mark.parametrize("form", ["csv", "json", "old name"])
def test_msp_podcast(form: str, details: str, files: Files, read: Read) -> None:
    root = files({"Transcripts/MSP-PODCAST_0001_0008.txt": "Well, you know.\n"})
    header, *rows = [line.split(",") for line in CONSENSUS.splitlines()]
    as_json = {row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in rows}
    name = {"csv": "labels_consensus.csv", "json": "labels_consensus.json"}.get(
        form, "labels_concensus.csv"
    )
    file = "labels_detailed.json" if details == "json" else "labels_detailed.csv"
    files(
        {
            f"Labels/{name}": json.dumps(as_json) if form == "json" else CONSENSUS,
            f"Labels/{file}": OLD_DETAILS if details == "old csv" else DETAILS[file],
        }
    )
    settings = {"manifest": f"Labels/{name}"} if form == "json" else {}
    corpus = read("msp_podcast", FULL, root=root, **settings)
    assert corpus.left_out == {"X": 1}
    first, unknown, dev, test = corpus.clips
    assert first.id == "msp_podcast/MSP-PODCAST_0001_0008"
    assert first.path == f"{root}/Audios/MSP-PODCAST_0001_0008.wav"
    assert (first.speaker, first.gender, first.split) == ("msp_podcast_127", "male", "train")
    assert first.text == "Well, you know."
    assert first.label.vad == pytest.approx((0.6, 0.5, 3.2 / 6))
    assert first.label.votes is not None
    assert sum(first.label.votes) == 3
    assert first.label.probability("other") == pytest.approx(1 / 3)
    assert (unknown.speaker, unknown.emotion) == ("msp_podcast_podcast0002", "contemptuous")
    assert (unknown.label.votes, unknown.label.vad) == (None, (0.0, 1.0, 0.5))
    assert (dev.split, test.split, test.emotion) == ("dev", "test", "sad")
    assert {c.label.modality for c in corpus.clips} == {"audio"}
    (problem,) = corpus.problems
    assert problem.where == f"{root}/Labels/{name}:{6 if form == 'json' else 7}"
    assert "must lie in [1, 7]" in problem.sentence


def test_crema_d_votes_of_those_who_heard(files: Files, read: Read) -> None:
    votes = '"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote"\n'
    for kind, counts in (("1", "0,0,0,3,6,0"), ("2", "0,0,0,9,1,0"), ("3", "0,0,0,8,1,0")):
        votes += f'"{kind}00001",{counts},"1001_IEO_HAP_LO",9,0.67,"N"\n'
    votes += '"100002",0,0,4,0,0,4,"1002_TIE_SAD_XX",8,0.5,"F:S"\n'
    root = files(
        {
            "AudioWAV/1001_IEO_HAP_LO.wav": "",
            "AudioWAV/1002_TIE_SAD_XX.wav": "",
            "AudioWAV/1002_IOM_NEU_XX.wav": "",
            "processedResults/tabulatedVotes.csv": votes,
            "VideoDemographics.csv": "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,x,y\n"
            "1002,21,Female,x,y\n",
        }
    )
    corpus = read("crema_d", root=root)
    by_id = {c.id[8:]: c for c in corpus.clips}
    heard = by_id["1001_IEO_HAP_LO"]
    assert (heard.emotion, heard.gender, heard.text) == ("neutral", "male", "It's eleven o'clock.")
    assert heard.label.votes == (0, 0, 0, 0, 0, 0, 0, 0, 3, 6, 0, 0, 0)
    assert heard.label.modality == "audio"
    assert by_id["1002_TIE_SAD_XX"].emotion == "sad"  # tied with fear: what was meant counts
    unrated = by_id["1002_IOM_NEU_XX"].label
    assert (unrated.hard, unrated.votes, unrated.modality) == ("neutral", None, "intended")
    intended = read("crema_d", root=root, metadata=[])
    assert {c.emotion for c in intended.clips} == {"happy", "sad", "neutral"}


def test_esd_texts_in_their_encodings(files: Files, read: Read) -> None:
    root = files(
        {
            f"ESD/{name}.wav": ""
            for name in (
                "0001/Angry/0001_000351",
                "0003/Sad/train/0003_001051",
                "0011/Surprise/evaluation/0011_001401",
                "0016/Neutral/0016_000001",
                "0016/Neutral/0016_000002",
            )
        }
    )
    texts = {
        "0001": ("0001_000351\t打远一看\t生气\n", "gb18030"),
        "0003": ("0003_001051\t他对谁都\t伤心\n", "utf-16"),
        "0011": ('0011_001401\tThe nine "eggs, I keep.\tSurprise\n', "utf-8"),
        "0016": ("0016_000001\tTom’s café\tNeutral\n \n0016_000002 no tabs\n", "cp1252"),
    }
    for speaker, (text, encoding) in texts.items():
        (root / "ESD" / speaker / f"{speaker}.txt").write_text(text, encoding=encoding)
    corpus = read("esd", root=root)
    assert {c.id[4:]: (c.text, c.language, c.gender, c.emotion) for c in corpus.clips} == {
        "0001_000351": ("打远一看", "zh", "female", "angry"),
        "0003_001051": ("他对谁都", "zh", "female", "sad"),
        "0011_001401": ('The nine "eggs, I keep.', "en", "male", "surprised"),
        "0016_000001": ("Tom’s café", "en", "female", "neutral"),
        "0016_000002": (None, "en", "female", "neutral"),
    }
    (problem,) = [p for p in corpus.problems if p.where != "esd"]
    assert problem.where == f"{root}/ESD/0016/0016.txt:3"
    assert problem.sentence == "the row has 1 cells, the header has 3"

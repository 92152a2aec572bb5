"""Groups of speakers that nobody declared: clusters of how their voices sound.

The unsupervised half of implicit demography inference (Y.-C. Lin et al., arXiv 2505.14449): speaker
embeddings, k-means, clusters as groups. The clusters are of voices, not of identities: what they
have in common must be looked at.
"""

import warnings
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from emoforge.clip import Clip
from emoforge.component import Requirement
from emoforge.errors import AudioError, ConfigError, RequirementError
from emoforge.progress import Progress

Vectors = npt.NDArray[np.float64]

_RATE = 16000
_CLIPS = 10
"""Clips of a speaker that are heard: more change the mean of their voice little."""
_MOST_GROUPS = 6
_STARTS = 20
_SHORTEST_S = 0.3


def embed_speakers(clips: Iterable[Clip], progress: Progress) -> dict[str, Vectors]:
    """Speaker → mean direction of the embeddings of up to ten clips, [256], in name order.

    Resemblyzer's encoder (GE2E: L. Wan et al., arXiv 1710.10467; learned from English mostly). A
    clip that cannot be read or has no voice is passed over; a speaker without any other is absent.
    Raises RequirementError without the package.
    """
    if missing := Requirement("resemblyzer", "fairness").missing():
        raise RequirementError(f"groups are inferred from voices, that needs {missing}")
    with warnings.catch_warnings():
        # It imports names that its dependencies want to remove; the tested set still has them.
        warnings.simplefilter("ignore")
        from resemblyzer import VoiceEncoder, preprocess_wav
    from threadpoolctl import threadpool_limits

    own: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        own[clip.speaker].append(clip)
    # torch reads its weights as plain tensors: `weights_only` is the default since 2.6.
    encoder = VoiceEncoder("cpu", verbose=False)
    found: dict[str, Vectors] = {}
    # So small a network is faster on one thread: beside other work, two wait for each other.
    with progress.stage("voices", len(own)) as advance, threadpool_limits(1):
        for speaker in sorted(own):
            spread = np.linspace(0, len(own[speaker]) - 1, _CLIPS).round().astype(int)
            vectors = []
            for place in sorted(set(spread.tolist())):
                try:
                    samples = own[speaker][place].read(_RATE).samples
                except AudioError:
                    continue
                if not samples.any():
                    continue
                voice = preprocess_wav(samples)
                if len(voice) >= _SHORTEST_S * _RATE:
                    vectors.append(encoder.embed_utterance(voice))
            if vectors:
                mean: Vectors = np.mean(vectors, 0, dtype=np.float64)
                found[speaker] = mean / np.linalg.norm(mean)
            advance(1)
    return found


def cluster(
    vectors: Vectors, groups: int | None = None, seed: int = 0, least: int = 1
) -> tuple[npt.NDArray[np.int64], float]:
    """(group of each, numbered from the largest; mean silhouette) by k-means.

    vectors: [n, width]. groups: how many; None: 2 to 6, whichever has the largest silhouette
    (P. Rousseeuw, 1987) among those with at least `least` vectors a group, or else 2.
    """
    from scipy.cluster.vq import kmeans2
    from scipy.spatial.distance import cdist

    count = len(vectors)
    if count < 3 or (groups is not None and not 2 <= groups < count):
        raise ConfigError(f"{count} voices cannot be divided into {groups or 2} groups")
    distances = cdist(vectors, vectors)
    best: tuple[npt.NDArray[np.int64], float] | None = None
    for k in [groups] if groups else range(2, min(_MOST_GROUPS, count - 1) + 1):
        rng = np.random.default_rng([seed, k])
        tries = []
        for _ in range(_STARTS):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an empty cluster: that try has fewer groups
                centres, labels = kmeans2(vectors, k, minit="++", rng=rng)
            if len(set(labels.tolist())) == k:
                tries.append((float(((vectors - centres[labels]) ** 2).sum()), labels))
        if not tries:
            continue
        labels = min(tries, key=lambda one: one[0])[1].astype(np.int64)
        sizes = np.bincount(labels, minlength=k)
        score = silhouette(distances, labels)
        if best is None or (score > best[1] and sizes.min() >= least):
            best = labels, score
    if best is None:
        raise ConfigError(f"{count} voices cannot be divided into {groups or 2} groups")
    labels, score = best
    order = np.argsort(-np.bincount(labels), kind="stable")
    return np.argsort(order)[labels], score


def silhouette(distances: Vectors, labels: npt.NDArray[np.int64]) -> float:
    """Mean silhouette in [-1, 1]; distances: [n, n]; 0 for what is alone in its group."""
    sizes = np.bincount(labels)
    sums = np.stack([distances[:, labels == k].sum(1) for k in range(len(sizes))], 1)
    rows = np.arange(len(labels))
    within = sums[rows, labels] / np.maximum(sizes[labels] - 1, 1)
    means = sums / sizes
    means[rows, labels] = np.inf
    between = means.min(1)
    values = (between - within) / np.maximum(np.maximum(between, within), 1e-12)
    return float(np.where(sizes[labels] > 1, values, 0.0).mean())

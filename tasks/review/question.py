"""A question to a person, and the pictures it shows."""

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.pages import percent

MOST_BELIEFS = 3
LEAST, MOST = 0.01, 0.99  # of a probability in words: nothing is quite certain

Beliefs = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Picture:
    """A file that a question shows. sha256: of its bytes.

    folder, path: that of images, and where it lies there. label: the class that its folder or a person gave.
    split: train, val, test or leaked. Both are None in an inbox; there `predicted` is the model's label.
    """

    sha256: str
    folder: str
    path: str
    label: str | None = None
    split: str | None = None
    predicted: str | None = None


@dataclass(frozen=True)
class Question:
    """What a person is asked: which class do these pictures show?

    pictures: at least one, all of one motif; the answer counts for all of them. The first gives the question
    its id. beliefs: classes with their probabilities by a model, likeliest first. evidence: why it is asked,
    in a sentence. use: how likely an answer changes something, from 0 to 1. run: the run or output it came
    from.
    """

    kind: str
    pictures: tuple[Picture, ...]
    beliefs: Beliefs
    evidence: str
    use: float
    run: str

    @property
    def id(self) -> str:
        return self.pictures[0].sha256

    @property
    def contents(self) -> frozenset[str]:
        """The hashes of all pictures that the answer counts for."""
        return frozenset(picture.sha256 for picture in self.pictures)

    @property
    def labels(self) -> list[str]:
        """The different labels of its pictures, in their order; more than one where they are in conflict."""
        return list(dict.fromkeys(picture.label for picture in self.pictures if picture.label is not None))

    @property
    def suggested(self) -> str | None:
        return self.beliefs[0][0] if self.beliefs else None

    @property
    def confidence(self) -> float | None:
        return self.beliefs[0][1] if self.beliefs else None

    @property
    def about(self) -> str:
        """The class over which questions are spread: the label given, else the one suggested."""
        return (self.labels or [self.suggested or ""])[0]


def beliefs_of(probabilities: Mapping[str, float]) -> Beliefs:
    """The MOST_BELIEFS likeliest classes with their probabilities."""
    return tuple(sorted(probabilities.items(), key=lambda pair: -pair[1])[:MOST_BELIEFS])


def sure(probability: float) -> str:
    """A probability in words, which is never quite 0 or 100 %."""
    return percent(min(max(probability, LEAST), MOST), 0)

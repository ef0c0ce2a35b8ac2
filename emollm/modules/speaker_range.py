"""When a speaker's own range may be used: heard often enough, and not in one emotion only."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import torch

from emollm.data.processes import gather
from emollm.data.utterance import Utterance
from emollm.errors import UserError
from emollm.models.ranges import Sums

View = Literal["plain", "own", "borrowed"]
"""In whose range an utterance is shown: of all training speakers, of its own speaker, of another one."""


@dataclass
class SpeakerRange:
    """Training that shows utterances in other ranges too: their speaker's own, or another speaker's.

    One model then serves with and without other recordings of a speaker. The probe draws nothing: it takes every
    utterance once as it is, once in its own range, and in others' ranges as often as the shares say.
    """

    own: float = 0.25
    """Share of the training utterances that are shown in their speaker's own range: without it a model does not
    know what to make of such features."""
    borrowed: float = 0.0
    """Share that is shown in the range of another training speaker of the same corpus, as if he had said it. The
    rest is shown as it is."""
    clips: int = 5
    """A speaker of whom fewer are heard is taken as any other."""
    evenness: float = 0.75
    """A speaker's emotions, as far as they are known or guessed, must be at least as mixed as this: the entropy of
    how often each one is named, as a share of the greatest there is. The range of a speaker who shows one emotion
    only is that emotion, and normalising by it takes away just what is asked for. By guesses a whole corpus
    is judged first, from answers to one clip at a time, and a speaker then, from answers in the range of his
    corpus, or, where that was refused, to one clip at a time."""
    foreign: float = 0.3
    """Recordings of several speakers whose mean is this many deviations or more from that of all training speakers
    are of another room or microphone: answers to one clip at a time are then alike for that alone, and are not
    asked whether a corpus is mixed; its speakers are judged by answers in its range, as all others. Infinite
    (``.inf``) asks them always."""
    shrinkage: float = 5.0
    """How many clips' weight all training speakers have in the range of one."""

    def __post_init__(self) -> None:
        if min(self.own, self.borrowed) < 0 or self.own + self.borrowed >= 1:
            raise UserError(
                f"model.speaker_range: own is {self.own} and borrowed {self.borrowed}; they must not be negative, "
                "and their sum must be below 1, as some utterances are shown as they are."
            )
        if self.clips < 2 or self.shrinkage < 0:
            raise UserError("model.speaker_range.clips must be at least 2, and shrinkage must not be negative.")
        if self.foreign <= 0:
            raise UserError(f"model.speaker_range.foreign is {self.foreign}: it must be above 0.")
        if not 0 <= self.evenness < 1:
            raise UserError(f"model.speaker_range.evenness is {self.evenness}: it must be 0 or more, below 1.")

    @property
    def guard(self) -> str:
        """The settings by which it is decided who is normalised, and how, in one line."""
        limits = f"clips {self.clips}, evenness {self.evenness:g}, foreign {self.foreign:g}"
        return f"{limits}, shrinkage {self.shrinkage:g}"

    @property
    def copies(self) -> int:
        """In how many borrowed ranges the probe takes an utterance that it takes once as it is."""
        return round(self.borrowed / (1 - self.own - self.borrowed))

    def draw(self, number: int) -> list[View]:
        """How each of some training utterances is shown."""
        chances = torch.rand(number).tolist()
        return [
            "own" if chance < self.own else "borrowed" if chance < self.own + self.borrowed else "plain"
            for chance in chances
        ]

    def usable(self, heard: Mapping[str, Sums], emotions: Mapping[str, Sequence[int]]) -> dict[str, Sums]:
        """Who may be normalised by his own range.

        Args:
            heard: what was heard of each speaker.
            emotions: (K,) how often each speaker shows each emotion: by labels, or by a model's answers in ranges
                that are safe.
        """
        return {
            speaker: sums
            for speaker, sums in heard.items()
            if not nameless(speaker) and self.safe(sums, emotions.get(speaker, ()))
        }

    def usable_corpora(
        self,
        heard: Mapping[str, Sums],
        emotions: Mapping[str, Sequence[int]],
        shift: Callable[[Sums], float],
    ) -> dict[str, Sums]:
        """Which corpora may be normalised by all that was heard in them; one speaker alone is no safer so.

        Args:
            heard: what was heard of each speaker.
            emotions: (K,) how often each speaker shows each emotion, by a model's answers to one clip at a time.
                In the range of clips of one emotion answers are mixed: that range has taken it away.
            shift: how far recordings are from all training speakers.
        """
        speakers = Counter(
            corpus_of(name) for name, sums in heard.items() if not nameless(name) and sums.clips >= self.clips
        )
        together: dict[str, list[int]] = {}
        for speaker, counts in emotions.items():
            add(together, {corpus_of(speaker): counts})
        return {
            name: sums
            for name, sums in by_corpus(heard).items()
            if self.safe(sums, together.get(name, ()))
            or (speakers[name] > 1 and sums.clips >= self.clips and shift(sums) >= self.foreign)
        }

    def safe(self, sums: Sums, emotions: Sequence[int]) -> bool:
        """Whether recordings are many and mixed enough to be normalised by themselves."""
        return sums.clips >= self.clips and evenness(emotions) >= self.evenness


def show(
    names: Sequence[str], views: Sequence[View], known: Collection[str]
) -> tuple[list[str | None], list[str | None]]:
    """In whose range each utterance is, and in whose it is put; None stands for all training speakers.

    Args:
        names: (B,) the speakers.
        views: (B,) how each utterance is shown.
        known: speakers whose range is known; nothing is borrowed for the utterances of others.
    """
    speakers = [
        name if view == "own" or (view == "borrowed" and name in known) else None
        for name, view in zip(names, views, strict=True)
    ]
    voices = [
        _another(speaker, known) if view == "borrowed" and speaker is not None else None
        for speaker, view in zip(speakers, views, strict=True)
    ]
    return speakers, voices


def _another(name: str, known: Collection[str]) -> str:
    """Anybody of the same corpus, himself included, so that there always is somebody."""
    others = [other for other in sorted(known) if corpus_of(other) == corpus_of(name)]
    return others[int(torch.randint(len(others), ()))]


def speaker_of(utterance: Utterance) -> str:
    """The corpus, a slash, and the speaker: nobody where none is named, and another one at another speed.

    A slash in the name of the corpus is written as in an address, so that the first one ends it.
    """
    speed = "" if utterance.speed == 1 or not utterance.speaker else f" at {utterance.speed:g}"
    return f"{quote(utterance.corpus, safe=' ')}/{utterance.speaker or ''}{speed}"


def nameless(speaker: str) -> bool:
    """Whether a name that ``speaker_of`` made is nobody's."""
    return speaker.endswith("/")


def corpus_of(speaker: str) -> str:
    """The corpus of a name that ``speaker_of`` made, as it is written there."""
    return speaker.partition("/")[0]


def by_corpus(heard: Mapping[str, Sums]) -> dict[str, Sums]:
    """What was heard in each corpus."""
    corpora: dict[str, Sums] = {}
    for speaker, sums in heard.items():
        corpus = corpus_of(speaker)
        corpora[corpus] = corpora[corpus] + sums if corpus in corpora else sums
    return corpora


def evenness(counts: Sequence[int]) -> float:
    """Entropy of counts, between 0 (one of them has all) and 1 (all have the same); 0 for nothing at all."""
    total = sum(counts)
    if total <= 0 or len(counts) < 2:
        return 0.0
    parts = [count / total for count in counts if count > 0]
    return sum(part * math.log(1 / part) for part in parts) / math.log(len(counts))


def emotions_by_speaker(
    rows: Iterable[tuple[Utterance, str | None]], labels: Sequence[str]
) -> dict[str, list[int]]:
    """(K,) how often each speaker shows each emotion.

    Whole answers are counted, not their probabilities: those of a calibrated model are mixed for every clip.

    Args:
        rows: utterances, each with its emotion, known or answered; those without one of the set are not counted.
        labels: the label set.
    """
    counts: dict[str, list[int]] = defaultdict(lambda: [0] * len(labels))
    for utterance, label in rows:
        if label in labels:
            counts[speaker_of(utterance)][labels.index(label)] += 1
    return dict(counts)


def add(sums: dict[str, list[int]], more: Mapping[str, Sequence[int]]) -> None:
    """Add counts of emotions to those that are there, name by name."""
    for name, counts in more.items():
        sums[name] = [a + b for a, b in zip(sums.get(name, [0] * len(counts)), counts, strict=True)]


def merged(heard: Mapping[str, Sums]) -> dict[str, Sums]:
    """What all processes heard; each must ask."""
    together: dict[str, Sums] = {}
    for part in gather(dict(heard)):
        for speaker, sums in part.items():
            together[speaker] = together[speaker] + sums if speaker in together else sums
    return together

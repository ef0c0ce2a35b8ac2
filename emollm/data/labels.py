"""One vocabulary of emotions, the words other people use for them, and the closed sets that models choose from."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from emollm.errors import UserError

EMOTIONS: dict[str, tuple[str, ...]] = {
    "angry": ("anger", "ang", "angriness", "rage", "mad"),
    "happy": ("happiness", "hap", "joy", "joyful", "happily"),
    "sad": ("sadness", "sadly"),
    "neutral": ("neu", "neutrality", "neutral state", "no emotion"),
    "fear": ("fearful", "fea", "afraid", "scared", "anxiety/fear", "fear/anxiety"),
    "disgust": ("disgusted", "dis"),
    "surprise": ("surprised", "sur", "pleasant surprise", "pleasant surprised", "ps"),
    "calm": ("calmness", "calmly"),
    "boredom": ("bored", "boredem"),
    "contempt": ("contemptuous",),
    "excited": ("exc", "excitement"),
    "frustrated": ("fru", "frustration"),
    "amused": ("amusement",),
    "sleepy": ("sleepiness",),
    "enthusiastic": ("enthusiasm",),
    "anxious": ("anxiety",),
    "worried": ("worry",),
    "proud": ("pride",),
    "relieved": ("relief",),
    "confused": ("confusion",),
    "disappointed": ("disappointment",),
    "concerned": ("concern",),
    "annoyed": ("annoyance",),
    "depressed": ("depression",),
    "sarcastic": ("sarcasm",),
    "other": ("oth", "others"),
}
"""Every emotion that the readers of ``emollm.data.corpora`` speak of, with words that mean the same.

``boredem`` is how EmoBox's own files spell it. What is not here keeps its own word: a table may hold any label.
"""

_CANONICAL = {word: emotion for emotion, words in EMOTIONS.items() for word in (emotion, *words)}

LABEL_SETS: dict[str, tuple[str, ...]] = {
    "basic4": ("angry", "happy", "neutral", "sad"),
    "basic6": ("angry", "disgust", "fear", "happy", "neutral", "sad"),
    "basic7": ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    "ekman6": ("angry", "disgust", "fear", "happy", "sad", "surprise"),
    "iemocap4": ("angry", "happy=happy+excited", "neutral", "sad"),
    "iemocap6": ("angry", "excited", "frustrated", "happy", "neutral", "sad"),
    "meld7": ("neutral", "surprise", "fear", "sad", "happy", "disgust", "angry"),
    "ravdess8": ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise"),
    "emodb7": ("angry", "boredom", "disgust", "fear", "happy", "neutral", "sad"),
    "nemo6": ("angry", "fear", "happy", "neutral", "sad", "surprise"),
    "cremad6": ("angry", "disgust", "fear", "happy", "neutral", "sad"),
    "msp8": ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
}
"""Named label sets; ``basic6`` is CREMA-D's six, ``ekman6`` has surprise in place of neutral."""


def canonical(word: str) -> str:
    """The vocabulary's word for an emotion: ``Anger`` and ``ang`` are ``angry``.

    Case, surrounding blanks, and hyphens or underscores for blanks do not matter. A word that is not in the
    vocabulary comes back as it is, in lower case, so that tables with labels of their own work too.
    """
    plain = " ".join(unicodedata.normalize("NFC", word).casefold().replace("_", " ").replace("-", " ").split())
    return _CANONICAL.get(plain, plain)


@dataclass(frozen=True)
class LabelSet:
    """A closed, ordered set of labels, and which emotions count as each of them.

    Attributes:
        names: the labels, in the order of every score, table and prompt.
        members: for each label the emotions that it stands for, in the words of ``canonical``.
    """

    names: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[str, int] = {}
        for position, (name, words) in enumerate(zip(self.names, self.members, strict=True)):
            for word in words:
                if word in index:
                    raise UserError(
                        f"The label set counts '{word}' twice, as '{self.names[index[word]]}' and as '{name}': "
                        "each emotion may belong to one label only."
                    )
                index[word] = position
        # A group's own name means the group, unless another label claims the word.
        for position, name in enumerate(self.names):
            index.setdefault(canonical(name), position)
        if len(set(self.names)) != len(self.names):
            raise UserError(f"The label set {', '.join(self.names)} names a label twice.")
        if len(self.names) < 2:
            raise UserError(f"The label set {list(self.names)} needs at least two labels to choose from.")
        object.__setattr__(self, "_index", index)

    @classmethod
    def parse(cls, spec: str | Iterable[str]) -> LabelSet:
        """Read a label set as users write it.

        Args:
            spec: the name of one of ``LABEL_SETS`` (``ravdess8``); or labels, as a list or divided by commas.
                A label may gather several emotions: ``happy=happy+excited``, ``negative=angry+sad+fear``.

        Raises:
            UserError: for an unknown name, an empty label, or an emotion that is counted twice.
        """
        if isinstance(spec, str):
            if "," not in spec and spec.strip() not in LABEL_SETS:
                raise UserError(
                    f"There is no label set '{spec}': choose one of {', '.join(LABEL_SETS)}, "
                    "or list the labels themselves, as [angry, happy=happy+excited, sad]."
                )
            # On a command line a list of words that YAML reads as true and false (yes, no) comes as text.
            written = spec.strip().removeprefix("[").removesuffix("]").split(",")
            spec = LABEL_SETS.get(spec.strip()) or [word.strip().strip("\"'") for word in written]
        names, members = [], []
        for item in spec:
            name, equals, group = str(item).partition("=")
            words = [word.strip() for word in (group if equals else name).split("+")]
            if not name.strip() or not all(words):
                raise UserError(
                    f"The label '{item}' has an empty part: write it as happy, or happy=happy+excited."
                )
            # The name stays as it was written, so that a prompt says 'joy' to whom 'joy' matters.
            names.append(name.strip())
            members.append(tuple(dict.fromkeys(canonical(word) for word in words)))
        return cls(tuple(names), tuple(members))

    @property
    def spec(self) -> list[str]:
        """The labels as ``parse`` reads them: what a model stores of its label set."""
        plain = [members == (canonical(name),) for name, members in zip(self.names, self.members, strict=True)]
        return [
            name if alone else f"{name}={'+'.join(members)}"
            for name, members, alone in zip(self.names, self.members, plain, strict=True)
        ]

    def index(self, label: str | None) -> int | None:
        """Position of the label that an emotion counts as, in any of its words; None when it fits none."""
        return None if label is None else self._index.get(canonical(label))

    def __len__(self) -> int:
        return len(self.names)

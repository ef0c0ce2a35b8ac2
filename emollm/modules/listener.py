"""Hears every speaker of a folder before he is labelled, so that his own range is known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from emollm.data.processes import gather, say
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError
from emollm.models.ranges import Sums
from emollm.modules.base import EmotionModule
from emollm.modules.speaker_range import add, emotions_by_speaker, merged, nameless
from emollm.prediction import Prediction
from emollm.wording import some

IN_RANGES = ", speakers' ranges"
"""Behind the name of a model in rows that are not of one clip at a time."""


class Listener:
    """Passes over all recordings before they are labelled: what the ranges are, and which of them are safe.

    The first pass labels every recording as it is, the second one, where the range of all recordings is safe, in
    that. After each ``end`` the module shows recordings in the ranges that are safe so far. Memory grows with the
    number of speakers, not of recordings.

    Args:
        module: trained with ``model.speaker_range``.

    Attributes:
        done: whether the module has the ranges to label with, and no further pass is needed.

    Raises:
        UserError: when it was trained without.
    """

    def __init__(self, module: EmotionModule) -> None:
        if module.ranges is None:
            raise UserError(
                f"{module.name.removesuffix(IN_RANGES)} knows features as they are only: train with "
                "model.speaker_range, or leave speaker_range out."
            )
        self.module = module
        self.done = False
        self._heard: dict[str, Sums] | None = None
        self._corpora: dict[str, Sums] = {}
        self._said: dict[str, list[int]] = {}

    def begin(self) -> None:
        """Begin a pass.

        Raises:
            UserError: when the module, which is built now, has learned no ranges yet.
        """
        if not self.module.ranges.learned:
            raise UserError(
                f"{self.module.name.removesuffix(IN_RANGES)} is of a stage in which backbone layers are still "
                "trained, and knows no ranges yet: take a checkpoint of a later stage, or leave speaker_range out."
            )
        self._said = {}
        if self._heard is None:
            self.module.ranges.listen()

    def add(self, predictions: Iterable[Prediction]) -> None:
        """Count what the module says of each speaker."""
        answers = ((one.utterance, one.label) for one in predictions)
        add(self._said, emotions_by_speaker(answers, self.module.labels))

    def end(self) -> None:
        """First use the range of all recordings, where it is safe; then that of each speaker, where it is too.

        Every process must call it.
        """
        said: dict[str, list[int]] = {}
        for part in gather(self._said):
            add(said, part)
        guard, ranges = self.module.speaker_range, self.module.ranges
        self.module.view = "own"
        if self._heard is None:
            self._heard = merged(ranges.stop())
            self._corpora = guard.usable_corpora(self._heard, said, ranges.shift)
            if self._corpora:
                ranges.use({}, self._corpora)
                return
        usable = guard.usable(self._heard, said)
        ranges.use(usable, self._corpora)
        self.done = True
        say(self._told(usable))

    def _told(self, usable: Collection[str]) -> str:
        """Who is normalised by his own recordings, who is not, and why."""
        assert self._heard is not None
        names = [speaker for speaker in self._heard if not nameless(speaker)]
        least = self.module.speaker_range.clips
        few = [name for name in names if self._heard[name].clips < least]
        alike = [name for name in names if name not in usable and name not in few]
        reasons = (few, f"heard in fewer than {least} recordings"), (alike, "in too few emotions, by the answers")
        told = [
            f"{len(group)} {reason} ({some([name.partition('/')[2] for name in sorted(group)], 3)})"
            for group, reason in reasons
            if group
        ]
        line = f"Speakers' own ranges: {len(usable)} of {len(names)} speakers" if names else "No speaker is named"
        line += f"; {', '.join(told)}." if told else "."
        if len(usable) == len(self._heard):
            return line
        others = "The others" if names else "All recordings"
        if self._corpora:
            return f"{line} {others} are taken in the range of all recordings."
        return f"{line} {others} are taken as they are: all together are as few, or as much alike."


def by_folder(table: UtteranceTable) -> UtteranceTable:
    """A table in which a recording without a named speaker is of the speaker that its folder is named after."""
    return UtteranceTable(_named(table))


def _named(table: UtteranceTable) -> Iterator[Utterance]:
    for row in table:
        unnamed = row.speaker is None and row.path is not None
        yield replace(row, speaker=str(row.path.parent)) if unnamed else row

"""What two parts of a split have in common, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass, field

from emollm.wording import some


@dataclass(frozen=True)
class Overlap:
    """What two parts of a split have in common.

    Attributes:
        utterances: size of the second part.
        speakers: the known ones, as ``corpus/speaker``.
        alike: other speakers of the second part with a name of the first that differs in case, blanks or leading
            zeros alone, one pair of names each.
        nameless: how many utterances of both parts have no speaker.
        sessions: as ``corpus/session``.
        repeated: how many utterances of the second part say a sentence that is also said in the first.
        unknown: how many others may do so too, because what they say, or what the first part says, is not known.
        copies: recordings that are identical byte for byte, one pair of ids a recording of the second part.
        overlapping: stretches of one file that have more than a tenth of a second in common, one pair of ids a
            stretch of the second part; without those in ``copies``.
        near_copies: recordings that are the same sound saved again (another format, rate or level, silence added,
            a little noise), one pair of ids a recording of the second part; without those above.
        recorded: how many utterances of the second part have a sound file.
        unread: how many utterances of both parts have one that cannot be opened.
        listened: whether ``near_copies`` were looked for.
        dialogues: as ``corpus/dialogue``.
    """

    utterances: int
    speakers: list[str]
    nameless: int
    sessions: list[str]
    repeated: int
    unknown: int
    copies: list[tuple[str, str]]
    overlapping: list[tuple[str, str]]
    near_copies: list[tuple[str, str]]
    recorded: int
    unread: int
    listened: bool
    dialogues: list[str] = field(default_factory=list)
    alike: list[tuple[str, str]] = field(default_factory=list)

    @property
    def same_files(self) -> bool:
        """Whether recordings of the second part are in the first for certain, whoever is said to speak."""
        return bool(self.copies or self.overlapping)


def lines_of(overlap: Overlap, part: str, always: bool) -> list[str]:
    """Plain sentences about one part.

    Args:
        overlap: what the part shares with training.
        part: its name.
        always: also say what is as it should be.
    """
    if not overlap.utterances:
        return []
    lines = []
    if overlap.speakers:
        known = "known speaker" if overlap.nameless else "speaker"
        lines.append(
            f"{_count(len(overlap.speakers), known)} of {part} {_verb(len(overlap.speakers))} in training too "
            f"({some(overlap.speakers)}): the scores do not tell how the model does on new voices."
        )
    if overlap.nameless:
        lines.append(
            f"Not every speaker is known ({_count(overlap.nameless, 'utterance')} without one), so training and "
            f"{part} may share speakers{' besides' if overlap.speakers else ''}."
        )
    elif always and not overlap.speakers and not overlap.alike:
        lines.append(
            f"Speakers of {part} have other names than those of training, yet recordings are in both."
            if overlap.same_files
            else f"No speaker of {part} is in training."
        )
    if overlap.alike:
        pairs = [f"{second} and {first}" for first, second in overlap.alike]
        lines.append(
            f"{_count(len(pairs), 'speaker')} of {part} may be in training under another spelling "
            f"({some(pairs)}): write each name in one way."
        )
    if overlap.sessions:
        lines.append(
            f"{_count(len(overlap.sessions), 'session')} of {part} {_verb(len(overlap.sessions))} in training too "
            f"({some(overlap.sessions)}): what recordings of one session, or scenes of one episode, have in "
            "common is known."
        )
    if overlap.dialogues:
        lines.append(
            f"{_count(len(overlap.dialogues), 'dialogue')} of {part} {_verb(len(overlap.dialogues))} in training "
            f"too ({some(overlap.dialogues)}): a prompt that shows earlier turns shows training utterances."
        )
    if overlap.repeated == overlap.utterances:
        lines.append(
            f"Every {part} sentence also occurs in training: a model that reads transcripts can exploit this."
        )
    elif overlap.repeated:
        others = f"; of {overlap.unknown} others nobody can tell, for want of words" if overlap.unknown else ""
        lines.append(
            f"{overlap.repeated} of {overlap.utterances} {part} utterances "
            f"({overlap.repeated / overlap.utterances:.0%}) say a sentence that also occurs in training: a model "
            f"that reads transcripts can exploit this{others}."
        )
    elif always and overlap.unknown == overlap.utterances:
        lines.append(
            f"Transcripts are missing on one side or both, so nobody can tell whether {part} sentences occur in "
            "training."
        )
    elif always and overlap.unknown:
        lines.append(
            f"No {part} sentence is known to occur in training; of {overlap.unknown} of {overlap.utterances} "
            "utterances nobody can tell, for want of words."
        )
    elif always:
        lines.append(f"No {part} sentence occurs in training.")
    if overlap.copies:
        pairs = [f"{copy} is {original}" for original, copy in overlap.copies]
        lines.append(
            f"{_count(len(pairs), 'recording')} of {part} {_verb(len(pairs))} in training too, byte for byte "
            f"({some(pairs)}): leave one of each pair out."
        )
    if overlap.overlapping:
        pairs = [f"{copy} and {original}" for original, copy in overlap.overlapping]
        lines.append(
            f"{_count(len(pairs), 'stretch')} of {part} {_verb(len(pairs))} partly in training too, cut from the "
            f"same file ({some(pairs)}): keep stretches that overlap in one part."
        )
    if overlap.near_copies:
        pairs = [f"{copy} is {original}" for original, copy in overlap.near_copies]
        lines.append(
            f"{_count(len(pairs), 'recording')} of {part} {_verb(len(pairs))} nearly identical to one in training "
            f"({some(pairs)}): the same sound saved again; leave one of each pair out."
        )
    if always and overlap.recorded and overlap.unread:
        lines.append(
            f"The sound of {_count(overlap.unread, 'utterance')} of training or {part} cannot be opened here, so "
            "nobody can tell whether it is in both."
        )
    elif always and overlap.recorded and not (overlap.same_files or overlap.near_copies):
        saved = ", nor was the same sound found saved again" if overlap.listened else ""
        lines.append(f"No recording of {part} is a copy of one in training{saved}.")
    return lines


def _count(number: int, thing: str) -> str:
    plural = f"{thing}es" if thing.endswith("ch") else f"{thing}s"
    return f"{number} {thing if number == 1 else plural}"


def _verb(number: int) -> str:
    return "is" if number == 1 else "are"

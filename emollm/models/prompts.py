"""Prompt templates: which inputs a prompt takes, in which order, and what an answer looks like.

A template is a YAML file. Its ``user`` text holds the slots ``{audio}``, ``{transcript}``, ``{labels}``,
``{context}`` and ``{cues}`` in the order in which the LLM shall read them; its ``answer`` holds ``{label}``,
``{transcript}`` or both. Slots are found literally, so braces inside a transcript are only braces.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from emollm.errors import UserError
from emollm.wording import first_line

Task = Literal["emotion", "asr", "joint"]
Input = Literal["audio", "transcript", "context", "cues"]
LabelOrder = Literal["given", "reversed", "alphabetical"]

_FOLDER = Path(__file__).parent.parent / "prompts"
_SLOT = re.compile(r"\{(audio|transcript|labels|label|context|cues)\}")
_WORD = re.compile(r"\{\w+\}")
_ANSWER_SLOTS = {"emotion": ["label"], "asr": ["transcript"], "joint": ["transcript", "label"]}


@dataclass(frozen=True)
class Piece:
    """A stretch of a template: constant text, or a slot that is filled for each utterance."""

    text: str = ""
    slot: str | None = None


@dataclass(frozen=True)
class PromptTemplate:
    """What the LLM is asked, and how it shall answer.

    Raises:
        UserError: when the slots in ``user`` or ``answer`` contradict ``inputs`` or ``task``.
    """

    name: str
    task: Task
    """``emotion`` (one label), ``asr`` (the transcript) or ``joint`` (transcript, then label)."""
    inputs: tuple[Input, ...]
    """What an utterance must bring: ``audio``, ``transcript``, ``context``, ``cues``."""
    user: str
    answer: str
    """Of the task ``emotion``, what stands before ``{label}`` is given to the LLM, not asked of it."""
    system: str = ""
    about: str = ""
    """One line for who chooses a template; the LLM never reads it."""
    label_separator: str = ", "
    """What stands between two labels of the closed list."""
    label_order: LabelOrder = "given"
    """In which order the closed list stands: as the label set has it, ``reversed``, or ``alphabetical``. Training
    shuffles it where the recipe says so."""
    missing_transcript: str = "(not transcribed)"
    """Stands in for a transcript that is not there, by choice or by transcript dropout."""

    def __post_init__(self) -> None:
        where = f"prompt template '{self.name}'"
        if self.task not in get_args(Task):
            raise UserError(f"{where}: task is '{self.task}'; choose one of {', '.join(get_args(Task))}.")
        if self.label_order not in get_args(LabelOrder):
            orders = ", ".join(get_args(LabelOrder))
            raise UserError(f"{where}: label_order is '{self.label_order}'; choose one of {orders}.")
        if any(piece.slot for piece in split_slots(self.system)):
            raise UserError(
                f"{where}: 'system' holds a slot, and is the same for every utterance: move it to 'user'."
            )
        for field in ("system", "user", "answer"):
            for word in _WORD.findall(getattr(self, field)):
                if not _SLOT.fullmatch(word):
                    raise UserError(
                        f"{where}: '{field}' holds {word}, which is no slot; slots are {{audio}}, {{transcript}}, "
                        "{labels}, {context} and {cues} in 'user', {label} and {transcript} in 'answer'."
                    )
        slots = [piece.slot for piece in split_slots(self.user) if piece.slot]
        used = {slot for slot in slots if slot != "labels"}
        if used != set(self.inputs):
            raise UserError(
                f"{where}: inputs are declared as {sorted(self.inputs)} but 'user' uses {sorted(used)}; "
                "make the two agree."
            )
        if "label" in used or slots.count("audio") > 1:
            raise UserError(f"{where}: 'user' may hold {{audio}} once, and {{label}} belongs into 'answer'.")
        answer_slots = [piece.slot for piece in split_slots(self.answer) if piece.slot]
        if answer_slots != _ANSWER_SLOTS[self.task]:
            raise UserError(
                f"{where}: the answer to task '{self.task}' needs the slots {_ANSWER_SLOTS[self.task]} "
                f"in this order, not {answer_slots}."
            )

    @property
    def takes_audio(self) -> bool:
        """Whether the LLM is given speech."""
        return "audio" in self.inputs

    @property
    def needs_transcript(self) -> bool:
        """Whether training needs transcripts, as an input or as (part of) the answer."""
        return "transcript" in self.inputs or self.task != "emotion"

    def in_order(self, labels: Sequence[str]) -> list[str]:
        """The labels in the order in which the closed list shows them."""
        if self.label_order == "alphabetical":
            return sorted(labels)
        return list(reversed(labels)) if self.label_order == "reversed" else list(labels)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a YAML file holds them."""
        return {
            f.name: list(value) if isinstance(value := getattr(self, f.name), tuple) else value
            for f in fields(self)
        }


def split_slots(text: str) -> list[Piece]:
    """Cut a text at its slots: ``"a {audio} b"`` becomes text, slot, text."""
    pieces, end = [], 0
    for match in _SLOT.finditer(text):
        pieces += [Piece(text=text[end : match.start()]), Piece(slot=match.group(1))]
        end = match.end()
    pieces.append(Piece(text=text[end:]))
    return [piece for piece in pieces if piece.slot or piece.text]


def shipped_templates() -> list[str]:
    """Names of the templates inside the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_template(spec: str | dict[str, Any]) -> PromptTemplate:
    """A template by its shipped name, by the path of a YAML file, or from plain values.

    Raises:
        UserError: when there is no such template, or the file is not a template.
    """
    if isinstance(spec, dict):
        return _from_values(dict(spec), where="the prompt template")
    path = Path(spec).expanduser() if spec.endswith((".yaml", ".yml")) else _FOLDER / f"{spec}.yaml"
    if not path.is_file():
        raise UserError(
            f"There is no prompt template '{spec}': name one of {', '.join(shipped_templates())}, "
            "or give the path of a YAML file."
        )
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable YAML file ({first_line(error)}).") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: a prompt template is a mapping with task, inputs, user and answer.")
    return _from_values({"name": path.stem, **values}, where=str(path))


def _from_values(values: dict[str, Any], where: str) -> PromptTemplate:
    known = {f.name for f in fields(PromptTemplate)}
    missing = {"task", "inputs", "user", "answer"} - set(values)
    if missing or set(values) - known:
        raise UserError(
            f"{where}: a prompt template has the keys {', '.join(sorted(known))}; "
            f"missing: {', '.join(sorted(missing)) or 'none'}, "
            f"unknown: {', '.join(sorted(set(values) - known)) or 'none'}."
        )
    inputs = values["inputs"]
    if not isinstance(inputs, (list, tuple)) or not all(isinstance(one, str) for one in inputs):
        raise UserError(f"{where}: inputs is {inputs!r}: write a list of words, as [audio, transcript].")
    for name in sorted(set(values) - {"inputs"}):
        if not isinstance(values[name], str):
            raise UserError(f"{where}: {name} is {values[name]!r}: write a text, in quotes.")
    values["inputs"] = tuple(inputs)
    return PromptTemplate(**{"name": "custom", **values})

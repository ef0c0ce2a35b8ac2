"""From a template and an utterance to token ids: the only place that knows about tokenizers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from emollm.errors import UserError
from emollm.models.prompts import Piece, PromptTemplate, split_slots
from emollm.wording import first_line

_SENTINEL = re.compile(r"\[\[emollm:(\w+)\]\]")

# Templates that print today's date or think aloud would not give the same scores tomorrow.
_TODAY = date(2025, 1, 1)
_CHAT = {"date_string": f"{_TODAY:%d %b %Y}", "enable_thinking": False}
_REPLACED = "".join(f" | replace('%{code}', '{_TODAY:%{code}}')" for code in "aAbBdHIjmMpSyY")
# In Jinja and before the template's own text: transformers hands no function on to it. The line ends here, and
# Jinja swallows the end, so that the template begins on a line of its own as it does without.
_STRFTIME_NOW = "{% macro strftime_now(format) %}{{ format" + _REPLACED + " }}{% endmacro %}\n"
_ANSWER = "emollm"


@dataclass(frozen=True)
class EncodedPrompt:
    """Token ids before and after the place where the speech embeddings go.

    The first ``constant`` of those before are the same for every utterance.
    """

    before: list[int]
    after: list[int]
    has_audio: bool
    constant: int = 0


def end_of_turn(tokenizer: Any) -> int:
    """The token with which an LLM ends its answer: what its chat template writes there, else its end of text."""
    end = int(tokenizer.eos_token_id)
    if not getattr(tokenizer, "chat_template", None):
        return end
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": _ANSWER}]
    try:
        text = _written(tokenizer, turns)
    except Exception:  # from inside Jinja: a template for questions alone
        return end
    _, found, rest = text.rpartition(_ANSWER)
    ids = tokenizer(rest.lstrip(), add_special_tokens=False)["input_ids"] if found else []
    special = {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}
    return int(ids[0]) if ids and ids[0] in special else end


def _written(tokenizer: Any, turns: list[dict[str, str]], **options: Any) -> str:
    """Turns as a tokenizer's chat template writes them, the same every day."""
    template = _STRFTIME_NOW + tokenizer.get_chat_template()
    return tokenizer.apply_chat_template(turns, chat_template=template, tokenize=False, **_CHAT, **options)


class PromptEncoder:
    """Writes one template for one tokenizer and one closed label set.

    Constant text is tokenised once. What differs between utterances (transcripts, contexts) is tokenised
    apart from it with special tokens switched off, so a transcript that says ``<|im_end|>`` stays mere text.

    Args:
        tokenizer: a Hugging Face tokenizer, with or without a chat template.
        template: the prompt.
        labels: the closed label set, in the order in which evaluation shows it.
    """

    def __init__(self, tokenizer: Any, template: PromptTemplate, labels: Sequence[str]) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self.labels = list(labels)
        self.chat = bool(getattr(tokenizer, "chat_template", None))
        self._pieces = self._render()
        # Bounded, because shuffled label sets come in ever new orders.
        self._constant = lru_cache(maxsize=256)(self._tokenize)
        self.end_token = end_of_turn(tokenizer)
        words = self._word if self._label_follows_text() else lambda label: self._tokenize(label, plain=True)
        self._label_tokens = [[*words(label), self.end_token] for label in labels]

    def encode(
        self,
        transcript: str | None = None,
        context: str | None = None,
        labels: Sequence[str] | None = None,
        cues: str | None = None,
    ) -> EncodedPrompt:
        """The prompt for one utterance.

        Args:
            transcript: what is said; None writes the template's ``missing_transcript``.
            context: earlier turns, one a line.
            labels: another order of the labels (training shuffles them); None takes the template's.
            cues: the voice in words.
        """
        values = {
            "transcript": transcript if transcript is not None else self.template.missing_transcript,
            "labels": self.template.label_separator.join(labels or self.template.in_order(self.labels)),
            "context": context or "(none)",
            "cues": cues or "(not known)",
        }
        before: list[int] = []
        after: list[int] = []
        has_audio = False
        constant: int | None = None
        for piece in self._pieces:
            if piece.slot not in (None, "labels") and constant is None:
                constant = len(before)
            if piece.slot == "audio":
                has_audio = True
            elif piece.slot == "labels":
                (after if has_audio else before).extend(self._constant(values["labels"]))
            elif piece.slot:
                (after if has_audio else before).extend(self._tokenize(values[piece.slot], plain=True))
            else:
                (after if has_audio else before).extend(self._constant(piece.text))
        return EncodedPrompt(before, after, has_audio, constant or 0)

    def label_tokens(self) -> list[list[int]]:
        """Token ids of every label as an answer, end of turn included."""
        return self._label_tokens

    def answer_start(self, transcript: str | None) -> list[int]:
        """Token ids of the answer up to its label, or (asr) of the whole answer without its end."""
        ids: list[int] = []
        for piece in split_slots(self.template.answer):
            if piece.slot == "label":
                break
            text = (transcript or "") if piece.slot else piece.text.rstrip(" ")
            ids += self._tokenize(text, plain=True)
        return ids

    def parse(self, text: str) -> tuple[str | None, int]:
        """Read a generated answer.

        Returns:
            The transcript (None if the task has none) and the index of the label, -1 for what cannot be read:
            counted, never guessed.
        """
        pattern = "".join(
            rf"(?P<{piece.slot}>.*?)" if piece.slot else re.escape(piece.text.strip(" ")) + r"\s*"
            for piece in split_slots(self.template.answer)
        )
        match = re.fullmatch(pattern, text.strip(), flags=re.DOTALL)
        if match is None:
            return (text.strip() if self.template.task == "joint" else None), -1
        found = match.groupdict()
        label = (found.get("label") or "").strip().strip(".").lower()
        index = next((i for i, name in enumerate(self.labels) if name.lower() == label), -1)
        transcript = found.get("transcript")
        return (transcript.strip() if transcript is not None else None), index

    def _label_follows_text(self) -> bool:
        return not self.chat or not self.template.answer.startswith("{label}")

    def _word(self, word: str) -> list[int]:
        """Token ids of a word behind others; some tokenizers (Llama 2's) put the blank before it themselves."""
        alone = self._tokenize(word, plain=True)
        has_blank = self.tokenizer.convert_ids_to_tokens(alone[:1])[0].startswith("\u2581") if alone else False
        return alone if has_blank else self._tokenize(f" {word}", plain=True)

    def _tokenize(self, text: str, plain: bool = False) -> list[int]:
        if not text:
            return []
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=plain)["input_ids"])

    def _render(self) -> list[Piece]:
        """The whole prompt, chat markup included, as constant pieces and slots."""
        user = "".join(
            f"[[emollm:{piece.slot}]]" if piece.slot else piece.text for piece in split_slots(self.template.user)
        )
        text = (self._chat(user) if self.chat else self._plain(user)) + self._lead()
        pieces, end = [], 0
        for match in _SENTINEL.finditer(text):
            pieces += [Piece(text=text[end : match.start()]), Piece(slot=match.group(1))]
            end = match.end()
        pieces.append(Piece(text=text[end:]))
        return [piece for piece in pieces if piece.slot or piece.text]

    def _lead(self) -> str:
        """The beginning of the answer up to its label, where all answers begin alike."""
        if self.template.task != "emotion":
            return ""
        lead = self.template.answer.partition("{label}")[0].rstrip(" ")
        return lead if self.chat or not lead else f" {lead}"

    def _plain(self, user: str) -> str:
        begin = self.tokenizer.bos_token or ""
        system = f"{self.template.system}\n" if self.template.system else ""
        return f"{begin}{system}{user}\nAnswer:"

    def _chat(self, user: str) -> str:
        """The system's text and the user's in chat markup; as one turn where the template has no system turn.

        Raises:
            UserError: when the chat template cannot write them.
        """
        system = self.template.system
        try:
            text = self._with_system_turn(user) if system else None
            if text is None:
                text = self._turns([{"role": "user", "content": f"{system}\n\n{user}" if system else user}])
        except Exception as error:  # from inside Jinja, where a template may do anything
            raise UserError(
                f"The chat template of '{self.tokenizer.name_or_path}' cannot write the prompt "
                f"'{self.template.name}' ({first_line(error)}): take another language model in model.llm.source."
            ) from error
        return text

    def _with_system_turn(self, user: str) -> str | None:
        """The prompt in two turns; None where the chat template refuses the system's (Gemma's), or drops it."""
        from jinja2 import TemplateError

        turns = [{"role": "system", "content": self.template.system}, {"role": "user", "content": user}]
        try:
            text = self._turns(turns)
        except TemplateError:
            return None
        return text if self.template.system.strip() in text else None

    def _turns(self, turns: list[dict[str, str]]) -> str:
        return _written(self.tokenizer, turns, add_generation_prompt=True)

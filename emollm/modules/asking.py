"""What the LLM is asked of each utterance: the prompt with its words, its closed list, and what is hidden."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from emollm.data.batch import Batch
from emollm.data.utterance import Utterance
from emollm.errors import UserError
from emollm.models.encoding import EncodedPrompt, PromptEncoder
from emollm.models.llm import CausalLM
from emollm.models.prompts import PromptTemplate
from emollm.modules.label_loss import LabelLoss


class Asking:
    """Fills templates with utterances.

    Args:
        llm: whose tokens and chat markup are used.
        labels: the label set.
        shuffle_labels: show the labels in a new order to every training prompt.
        transcript_dropout: chance that a training prompt hides its transcript.
        label_loss: knows among which labels an utterance chooses in training.
    """

    def __init__(
        self,
        llm: CausalLM,
        labels: Sequence[str],
        shuffle_labels: bool,
        transcript_dropout: float,
        label_loss: LabelLoss,
    ) -> None:
        if not 0 <= transcript_dropout <= 1:
            raise UserError(f"model.transcript_dropout is {transcript_dropout}: it is a share, from 0 to 1.")
        self.llm = llm
        self.labels = list(labels)
        self.shuffle_labels = shuffle_labels
        self.transcript_dropout = transcript_dropout
        self.label_loss = label_loss
        self._encoders: dict[PromptTemplate, PromptEncoder] = {}

    def encoder(self, template: PromptTemplate) -> PromptEncoder:
        """The encoder of a template, made once."""
        if template not in self._encoders:
            self._encoders[template] = PromptEncoder(self.llm.tokenizer, template, self.labels)
        return self._encoders[template]

    def prompts(self, template: PromptTemplate, batch: Batch, training: bool = False) -> list[EncodedPrompt]:
        """One prompt an utterance; in training with what is shuffled and hidden there."""
        encoder = self.encoder(template)
        prompts = []
        for utterance in batch.utterances:
            transcript = utterance.transcript
            if training and self.transcript_dropout and torch.rand(()) < self.transcript_dropout:
                transcript = None
            context = "\n".join(utterance.context) if utterance.context else None
            shown = self._shown(template, utterance) if training else None
            prompts.append(encoder.encode(transcript, context, shown, utterance.cues))
        return prompts

    def answers(self, template: PromptTemplate, batch: Batch) -> list[list[int]]:
        """Token ids of the right answers, their end included."""
        encoder = self.encoder(template)
        answers = []
        for utterance, target in zip(batch.utterances, batch.targets.tolist(), strict=True):
            start = encoder.answer_start(utterance.transcript)
            rest = [encoder.end_token] if template.task == "asr" else encoder.label_tokens()[target]
            answers.append([*start, *rest])
        return answers

    def _shown(self, template: PromptTemplate, utterance: Utterance) -> list[str]:
        """The closed list of a training prompt."""
        choices = self.label_loss.choices(utterance)
        if self.shuffle_labels:
            return [choices[index] for index in torch.randperm(len(choices)).tolist()]
        return template.in_order(choices)

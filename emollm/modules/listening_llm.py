"""A module whose LLM is given what a backbone hears, and a head or two that read off the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from emollm.data.batch import Batch
from emollm.models.pooling import mean_and_deviation
from emollm.models.prompts import PromptTemplate
from emollm.modules.memory import Memory
from emollm.modules.shared_llm import SharedLLM
from emollm.modules.vote import Voter, VoterRows


class ListeningLLM(SharedLLM):
    """From a batch to speech embeddings, and to the statistics over time that they may be made of."""

    warm_head: nn.Linear
    """Answers in the LLM's place in a warm-up; where a stage has one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known_statistics = Memory()
        self.voter: Voter | None = None

    def _fit_voter(self, voter: Voter) -> None:
        """Hear every training utterance once more, and fit what votes; in all processes to the same rows."""
        data, heard = self.trainer.datamodule, VoterRows()
        own = self.speaker_range is not None and self.speaker_range.own > 0
        for batch in data.heard_dataloader(data.training):
            if not len(batch):
                continue
            with torch.no_grad():
                batch = self.encoded(batch.to(self.device))
                for view in ("plain", "own") if own else ("plain",):
                    with self.shown_as(view):
                        statistics, _ = self._statistics(batch)
                    heard.add(batch, view, statistics)
        voter.fit(*(tensor.to(self.device) for tensor in heard.of_all_processes()))

    def _head_logits(self, batch: Batch) -> Tensor:
        """A linear head reads the emotion off the mean speech embedding: the LLM has no part in it."""
        embeddings, mask, _ = self._embeddings(batch)
        mean, _ = mean_and_deviation(embeddings, mask)
        # Speech embeddings are as small as the LLM's own; the head needs them at unit size.
        return self.warm_head(nn.functional.layer_norm(mean, mean.shape[-1:]))

    def _embeddings(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """(B, N, H) speech embeddings, the (B, N) mask, and the (B, F) statistics where they are made of such."""
        audio = self.model.audio
        assert audio is not None
        if not audio.pools_first:
            return *audio(*self.hidden_states(batch)), None
        statistics, frames = self._statistics(batch)
        return *audio.from_statistics(statistics, frames), statistics

    def _statistics(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B, F) statistics over time and the (B,) frames that each row has.

        From stored features row by row; those of a training utterance in one range are the same in every pass.
        """
        audio, augmentation = self.model.audio, self.augmentation
        assert audio is not None
        changed = augmentation is not None and augmentation.changes_features
        if batch.features is None or batch.features.device.type != "cpu" or changed:
            hidden, mask = self.hidden_states(batch)
            return audio.statistics(hidden, mask), mask.sum(1)
        assert batch.mask is not None
        rows, changes = [], 0 if self.ranges is None else self.ranges.changes
        for row, (utterance, *ranges) in enumerate(zip(batch.utterances, *self.ranges_of(batch), strict=True)):

            def compute(row: int = row, ranges: list[str | None] = ranges) -> Tensor:
                return audio.statistics(*self.hidden_state_of(batch, row, *ranges))

            name = (utterance.key, utterance.speed, changes, *ranges)
            rows.append(self.known_statistics.of(name, compute) if self.training else compute())
        return torch.cat(rows), batch.mask.sum(1)

    def _speech(self, batch: Batch, template: PromptTemplate) -> tuple[list[Tensor] | None, Tensor | None]:
        """Each row's speech embeddings, and the statistics where they are made of such; nothing without sound."""
        if not template.takes_audio or self.model.audio is None:
            return None, None
        if batch.features is None and batch.waveforms is None:  # an ablation: the words alone
            return None, None
        embeddings, mask, statistics = self._embeddings(batch)
        rows = [row[:size] for row, size in zip(embeddings, mask.sum(1).tolist(), strict=True)]
        return rows, statistics

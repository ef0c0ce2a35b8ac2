"""The model as plain torch: frozen backbone, layer mix, interface and LLM, joined."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from emollm.errors import UserError
from emollm.models.backbones import Backbone, BackboneSpec, load_backbone
from emollm.models.encoding import EncodedPrompt
from emollm.models.fusion import PaddingSide, Row, fuse
from emollm.models.interfaces import Interface, StatisticsInterface
from emollm.models.layer_mix import LayerConcat, LayerMix
from emollm.models.llm import CausalLM, LLMSpec, load_llm
from emollm.models.masks import length_mask
from emollm.models.scoring import LabelTree, tree_columns, tree_mask, tree_scores
from emollm.wording import first_line

InterfaceFactory = Callable[[int, int], Interface]
LayerJoin = Literal["mix", "concat"]
_TREES = ("llama", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "mistral", "phi3", "olmo2", "smollm3")
"""Architectures that are known to score a tree of labels as they score each label by itself."""
_SAME, _SAME_ROUNDED = 1e-2, 0.5  # nats; what mixes labels up moves scores further
_NO_TREE = "model.scoring is tree, which {how} with '{source}': set model.scoring to plain."


class AudioPath(nn.Module):
    """From hidden states of the backbone, which it holds, to embeddings that an LLM can read.

    Args:
        backbone: the frozen audio encoder.
        interface: makes the interface from (backbone width, LLM width).
        width: of the LLM's embeddings.
        layers: ``mix`` learns a weighted sum of the backbone's layers; ``concat`` puts them side by side.
        scale: standard deviation of the LLM's token embeddings; speech embeddings start with it, so that
            neither drowns the other.
        normalize: bring every frame to zero mean and unit variance first; not where that was done before.
    """

    def __init__(
        self,
        backbone: Backbone,
        interface: InterfaceFactory,
        layers: LayerJoin,
        width: int,
        scale: float,
        normalize: bool = True,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        count = len(backbone.layers)
        self.layer_mix = LayerMix(count, normalize) if layers == "mix" else LayerConcat(normalize)
        self.interface = interface(backbone.width * (1 if layers == "mix" else count), width)
        self.norm = nn.LayerNorm(width)
        nn.init.constant_(self.norm.weight, scale)

    def forward(self, hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L, T, D) hidden states of the backbone and (B, T) mask → (B, N, H) embeddings and (B, N) mask."""
        embeddings, mask = self.interface(self.layer_mix(hidden), mask)
        return self.norm(embeddings), mask

    @property
    def pools_first(self) -> bool:
        """Whether all that is trained begins behind the statistics over time of a row."""
        # A subclass may do more than its parent, before the statistics too.
        return type(self.interface) is StatisticsInterface and type(self.layer_mix) is LayerConcat

    def statistics(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Over time, where it ``pools_first``: nothing in them is trained.

        A single row stays in a processor's cache from stored features to statistics, where a padded batch of them
        goes through memory at every step: on a CPU that takes half the time.

        Args:
            hidden: (B, L, T, D) hidden states.
            mask: (B, T).

        Returns:
            (B, F).
        """
        assert isinstance(self.interface, StatisticsInterface)
        return self.interface.pool(self.layer_mix(hidden), mask)

    def from_statistics(self, statistics: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """What ``forward`` gives where its mask is true.

        Args:
            statistics: (B, F), as above.
            frames: (B,) frames that each row had.
        """
        assert isinstance(self.interface, StatisticsInterface)
        embeddings = self.norm(self.interface.embed_statistics(statistics))
        return embeddings, length_mask(self.interface.out_lengths(frames), embeddings.shape[1])


class SpeechLLM(nn.Module):
    """Speech and text in, label scores or text out (EmoSLLM, arXiv 2508.14130, Fig. 1).

    Args:
        llm: the language model.
        audio: the audio path; None for a model that reads text only.
        scoring: ``tree`` scores all labels in one forward (but where rows are longer than some layers look back);
            ``plain`` runs one forward for each label, as reference and for architectures that take no custom
            attention mask.
        padding_side: where rows are padded; it never changes a score.
    """

    def __init__(
        self,
        llm: CausalLM,
        audio: AudioPath | None,
        scoring: str = "tree",
        padding_side: PaddingSide = "left",
    ) -> None:
        super().__init__()
        self.llm = llm
        self.audio = audio
        self.scoring = scoring
        self.padding_side = padding_side
        self.reuse = True
        """False computes every prompt from its first token, as reference."""
        self.longest: Callable[[int], int] = int
        """Of this process's longest row that of all processes, where they have to call the LLM equally often."""

    def label_scores(
        self,
        prompts: Sequence[EncodedPrompt],
        labels: Sequence[Sequence[int]],
        speech: Sequence[Tensor] | None,
    ) -> Tensor:
        """(B, K) exact log-likelihood of each label as the answer.

        Args:
            prompts: one a batch element.
            labels: token ids of the K labels, end of turn included.
            speech: for each element its (N, H) embeddings; None for prompts without audio.
        """
        tree = LabelTree.build(labels)
        if self.scoring == "plain" or self._leaves_window(prompts, tree, speech):
            columns = [self.answer_scores(prompts, [label] * len(prompts), speech)[0] for label in labels]
            return torch.stack(columns, dim=1)
        known = self._shared(prompts)
        if known:
            prompts = [replace(prompt, before=prompt.before[len(known) :]) for prompt in prompts]
        fused = fuse(self.llm.embed, _rows(prompts, speech, [tree.tokens] * len(prompts)), self.padding_side)
        mask, positions = tree_mask(fused, tree)
        past = None
        if known:
            past = self.llm.prefixes.lend(known, len(prompts))
            mask = nn.functional.pad(mask, (len(known), 0))  # everybody may look at the beginning
            positions = positions + len(known)
        logits = self.llm.logits(fused.embeddings, mask, positions, tree_columns(fused, tree), past)
        return tree_scores(logits, tree)

    def _leaves_window(
        self, prompts: Sequence[EncodedPrompt], tree: LabelTree, speech: Sequence[Tensor] | None
    ) -> bool:
        """Whether a row is longer than some layers look back: the mask of a tree would let them look further."""
        window = self.llm.window
        if window is None:
            return False
        rows = _rows(prompts, speech, [tree.tokens] * len(prompts))
        return self.longest(max(map(len, rows))) >= window

    def _shared(self, prompts: Sequence[EncodedPrompt]) -> list[int]:
        """The constant tokens that all prompts begin with, if they are to be computed once."""
        if not (self.reuse and self.llm.can_share(len(prompts))):
            return []
        return list(os.path.commonprefix([prompt.before[: prompt.constant] for prompt in prompts]))

    def answer_scores(
        self,
        prompts: Sequence[EncodedPrompt],
        answers: Sequence[Sequence[int]],
        speech: Sequence[Tensor] | None,
    ) -> tuple[Tensor, Tensor]:
        """Log-likelihood of one answer for each prompt, by plain causal attention.

        Returns:
            (B,) summed log-probabilities, and (B,) numbers of answer tokens.
        """
        rows = _rows(prompts, speech, [list(answer[:-1]) for answer in answers])
        fused = fuse(self.llm.embed, rows, self.padding_side)
        device = fused.mask.device
        sizes = torch.tensor([len(answer) for answer in answers], device=device)
        steps = torch.arange(int(sizes.max()), device=device)
        valid = steps < sizes[:, None]
        first = (fused.start + fused.lengths - sizes)[:, None]
        columns = (first + steps).clamp(max=fused.mask.shape[1] - 1)
        targets = nn.utils.rnn.pad_sequence([torch.tensor(answer) for answer in answers], batch_first=True)
        logits = self.llm.logits(fused.embeddings, fused.mask, fused.positions, columns).float()
        chosen = logits.gather(-1, targets.to(device)[..., None])[..., 0] - logits.logsumexp(-1)
        return (chosen * valid).sum(1), sizes

    def generate(
        self, prompts: Sequence[EncodedPrompt], speech: Sequence[Tensor] | None, max_new_tokens: int
    ) -> list[str]:
        """Greedy answers as text."""
        fused = fuse(self.llm.embed, _rows(prompts, speech, [[]] * len(prompts)), side="left")
        return self.llm.generate(fused, max_new_tokens)


def build_speech_llm(
    backbone: BackboneSpec | None,
    interface: InterfaceFactory,
    layers: LayerJoin,
    llm: LLMSpec,
    scoring: str = "tree",
    padding_side: PaddingSide = "left",
    normalize: bool = True,
    device: torch.device = torch.device("cpu"),
) -> SpeechLLM:
    """Load the frozen parts for a device and join them; without a backbone the model reads text only."""
    language_model = load_llm(llm, device)
    audio = None
    if backbone is not None:
        encoder = load_backbone(backbone)
        sizes = language_model.width, language_model.embedding_scale
        audio = AudioPath(encoder, interface, layers, *sizes, normalize)
    model = SpeechLLM(language_model, audio, scoring, padding_side)
    if scoring == "tree" and llm.quantization == "none":
        _check_tree(model, llm.source)
    return model


@torch.no_grad()
def _check_tree(model: SpeechLLM, source: str) -> None:
    """Score a few tokens as a tree and one by one, where it is not known that an architecture gives the same.

    Raises:
        UserError: when it does not: layers that are not attention, or take no mask, mix the labels up.
    """
    llm = model.llm
    if llm.model.config.get_text_config().model_type in _TREES:
        return
    prompts, labels = [EncodedPrompt([5, 6, 7], [8], has_audio=False)], [[9, 10, 4], [9, 11, 4], [12, 13, 14, 4]]
    llm.eval()
    try:
        differ = model.label_scores(prompts, labels, None)
        model.scoring = "plain"
        differ = (differ - model.label_scores(prompts, labels, None)).abs().max().item()
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise UserError(_NO_TREE.format(source=source, how=f"fails ({first_line(error):.80})")) from error
    finally:
        model.scoring = "tree"
        llm.train()
    if not differ < (_SAME if llm.embed.weight.dtype == torch.float32 else _SAME_ROUNDED):
        raise UserError(_NO_TREE.format(source=source, how=f"moves scores by {differ:.2g}"))


def _rows(
    prompts: Sequence[EncodedPrompt], speech: Sequence[Tensor] | None, endings: Sequence[list[int]]
) -> list[Row]:
    rows = []
    for index, (prompt, ending) in enumerate(zip(prompts, endings, strict=True)):
        audio = speech[index] if prompt.has_audio and speech is not None else None
        rows.append(Row(prompt.before, [*prompt.after, *ending], audio))
    return rows

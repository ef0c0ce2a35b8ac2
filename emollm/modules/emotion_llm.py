"""The main LightningModule: a speech LLM that scores a closed set of emotions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from emollm.data.batch import Batch
from emollm.errors import UserError
from emollm.models.backbones import Backbone, BackboneSpec
from emollm.models.interfaces import Interface, MLPInterface
from emollm.models.llm import LLMSpec
from emollm.models.prompts import PromptTemplate, load_template
from emollm.models.speech_llm import build_speech_llm
from emollm.modules.asking import Asking
from emollm.modules.figures import Scores
from emollm.modules.idle import idle_options
from emollm.modules.label_loss import LabelLoss
from emollm.modules.listening_llm import ListeningLLM
from emollm.modules.optimization import Optimization, part_of
from emollm.modules.speaker_range import SpeakerRange
from emollm.modules.stages import Stage, stage_at
from emollm.modules.vote import Vote, make_voter

if TYPE_CHECKING:
    from emollm.data.datamodule import EmotionData


class EmotionLLM(ListeningLLM):
    """Audio backbone, frozen or nearly → interface → LLM with an adapter, given audio, transcript and a prompt.

    Args:
        labels: the closed label set: a name (``basic4``, ``ravdess8``…), or the labels themselves in the
            order in which the prompt shows them.
        backbone: the audio encoder, frozen unless ``trained_layers`` says otherwise.
        interface: makes speech embeddings from backbone features (a class_path and its init_args); by default
            an ``MLPInterface``.
        layers: ``mix`` learns a weighted sum of the backbone's layers; ``concat`` puts them side by side.
        llm: the language model and its adapter.
        prompt: the template that evaluation and prediction use: a shipped name or the path of a YAML file.
        stages: the curriculum; by default the prompt alone, for as many epochs as the trainer runs.
        objective: ``label_set`` trains the probability of the right label among the label set; ``tokens``
            trains the likelihood of its tokens among the whole vocabulary, as the paper does.
        shuffle_labels: show the labels in a new order to every training prompt; evaluation keeps the order.
        transcript_dropout: chance that training hides a transcript, so that the model also serves without.
        label_smoothing: for the objective ``label_set``.
        soft_labels: for the objective ``label_set`` and the task emotion: train on the shares of annotators' votes
            where a corpus has them (CREMA-D, IEMOCAP, MSP-Podcast); figures are of the labels all the same.
        balance_loss: let every label count alike in the loss, however rare it is.
        corpus_labels: in training, show each utterance the labels that its corpus knows, and choose among them;
            evaluation shows all.
        scoring: ``tree`` scores all labels in one forward; ``plain`` takes one forward for each label.
        padding_side: of the LLM's batches; it changes no score.
        max_answer_tokens: where a generated answer (asr, joint) is cut.
        optimization: learning rates and schedule.
        speaker_range: shows some of the training utterances in other ranges: their speaker's own, or another's.
        vote: lets a logistic regression on the interface's statistics answer beside the LLM.
        seed: of dropout, label order and transcript dropout.
    """

    method = "emotion_llm"

    def __init__(
        self,
        labels: str | list[str] = "basic4",
        backbone: BackboneSpec = BackboneSpec(),
        interface: Callable[[int, int], Interface] | None = None,
        layers: Literal["mix", "concat"] = "mix",
        llm: LLMSpec = LLMSpec(),
        prompt: str | dict[str, str | list[str]] = "audio_transcript",
        stages: list[Stage] | None = None,
        objective: Literal["label_set", "tokens"] = "label_set",
        shuffle_labels: bool = True,
        transcript_dropout: float = 0.0,
        label_smoothing: float = 0.0,
        soft_labels: bool = False,
        balance_loss: bool = False,
        corpus_labels: bool = False,
        scoring: Literal["tree", "plain"] = "tree",
        padding_side: Literal["left", "right"] = "left",
        max_answer_tokens: int = 128,
        optimization: Optimization = Optimization(),
        speaker_range: SpeakerRange | None = None,
        vote: Vote | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(labels, optimization, seed, speaker_range, stages)
        self.backbone = backbone
        # As a default of the argument it would lend its own arguments (hidden, dropout) to the class that a recipe
        # names in its place.
        self.interface = interface or MLPInterface
        self.layers = layers
        self.llm = llm
        self.template = load_template(prompt)
        self.stage_templates = [
            load_template(stage.prompt) if stage.prompt else self.template for stage in self.stages
        ] or [self.template]
        if any(stage.answer == "head" for stage in self.stages) and not self.needs_audio:
            raise UserError(
                "model.stages: answer is head, which warms up the interface, but no prompt takes audio."
            )
        if (
            self.needs_audio
            and backbone.trained_layers
            and any(earlier.train_backbone < later.train_backbone for earlier, later in pairwise(self.stages))
        ):
            raise UserError(
                "model.stages: a stage trains backbone layers after one with train_backbone: false; once left as "
                "they are, they must stay so to the end."
            )
        self._refuse_idle_stages()
        self.objective = objective
        self.shuffle_labels = shuffle_labels
        self.transcript_dropout = transcript_dropout
        if soft_labels and objective != "label_set":
            raise UserError("model.soft_labels needs model.objective: label_set, which has shares for all labels.")
        self.label_loss = LabelLoss(self.labels, label_smoothing, balance_loss, corpus_labels, soft_labels)
        self.scoring = scoring
        self.padding_side = padding_side
        self.max_answer_tokens = max_answer_tokens
        self.vote = vote

    def _refuse_idle_stages(self) -> None:
        """Without sound the LLM's adapter is all that a stage can train."""
        adapts = self.llm.adapter.kind != "none"
        for stage, template in zip(self.stages, self.stage_templates, strict=False):
            if template.takes_audio or stage.answer == "head" or (adapts and stage.train_adapter):
                continue
            why = "train_adapter is false" if adapts else "model.llm.adapter.kind is none"
            raise UserError(
                f"model.stages: a stage with the prompt '{template.name}', which takes no audio, trains nothing, "
                f"as {why}: change that, or give the stage a prompt with audio."
            )

    # -- what the model is made of --------------------------------------------------------------------------

    def build(self) -> None:
        """Load backbone and LLM, make interface and adapter."""
        self.model = build_speech_llm(
            self.backbone if self.needs_audio else None,
            self.interface,
            self.layers,
            self.llm,
            self.scoring,
            self.padding_side,
            # Ranges normalise frames, then channels; a second norm of frames would undo the channels'.
            normalize=self.speaker_range is None,
            device=self.place,
        )
        hidden = self.shuffle_labels, self.transcript_dropout
        self.asking = Asking(self.model.llm, self.labels, *hidden, self.label_loss)
        self.asking.encoder(self.template)  # a chat template that fails does so before anything is heard
        if any(stage.answer == "head" for stage in self.stages):
            self.warm_head = nn.Linear(self.model.llm.width, len(self.labels))
        if self.vote is not None and self.model.audio is not None:
            self.voter = make_voter(self.model.audio, len(self.labels), self.vote, self.hears_later)
            self.answers_in_order = True
        names = self.trained_names()
        self._adapter_names = {name for name in names if part_of(name) == "adapter"}
        self._backbone_names = {name for name in names if part_of(name) == "backbone"}

    @property
    def templates(self) -> list[PromptTemplate]:
        """Every template that this run uses."""
        return [self.template, *self.stage_templates]

    @property
    def needs_audio(self) -> bool:
        """Text-only prompts load no backbone and decode no sound."""
        return any(template.takes_audio for template in self.templates)

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the prompt of evaluation and prediction takes."""
        return self.template.inputs

    @property
    def needs_labels(self) -> bool:
        """A run that does nothing but transcribe takes unlabelled speech."""
        return any(template.task != "asr" for template in (self.templates if self._fits else [self.template]))

    @property
    def needs_transcript(self) -> bool:
        """Training needs them for some tasks as answers; evaluation only where the prompt shows them."""
        if self._fits:
            return any(template.needs_transcript for template in self.templates)
        return "transcript" in self.template.inputs

    @property
    def has_vote(self) -> bool:
        """Where the prompt takes sound and asks for the emotion alone, once something with a share is fitted."""
        asked = self.template.takes_audio and self.template.task == "emotion"
        return asked and self.voter is not None and self.voter.fitted and self.voter.vote.share > 0

    @property
    def needs_cues(self) -> bool:
        """Whether a prompt of this run tells of the voice in words."""
        return any("cues" in template.inputs for template in (self.templates if self._fits else [self.template]))

    @property
    def prompt_letters(self) -> int:
        """Of the longest prompt of this run, and of the labels as answers."""
        answers = sum(len(label) for label in self.labels)
        listed = [answers * ("labels" in t.user) for t in self.templates]
        return answers + max(
            len(t.system) + len(t.user) + more for t, more in zip(self.templates, listed, strict=True)
        )

    def refuse_data(self, data: EmotionData) -> None:
        """Refuse to balance labels twice, and to teach words that are cut away."""
        if data.augmentation.crop is not None and any(t.task != "emotion" for t in self.stage_templates):
            raise UserError(
                "data.augmentation.crop lets training hear a part of each utterance, and a prompt asks for all of "
                "its words (task asr or joint): leave one of them out."
            )
        if self.label_loss.balance and data.mixing.balance:
            raise UserError(
                "data.mixing.balance and model.balance_loss each let rare labels count as much as others, and "
                "both together more: leave one of them out."
            )

    def parts(self) -> dict[str, nn.Module]:
        """Backbone, interface (with layer mix and norm) and LLM."""
        parts: dict[str, nn.Module] = {}
        if self.model.audio is not None:
            audio = self.model.audio
            parts["backbone"] = audio.backbone
            parts["interface"] = nn.ModuleList([audio.layer_mix, audio.interface, audio.norm])
        return {**parts, "llm": self.model.llm}

    @property
    def audio_backbone(self) -> Backbone | None:
        """The audio encoder, if any prompt takes sound."""
        return None if self.model.audio is None else self.model.audio.backbone

    def fingerprints(self) -> dict[str, str]:
        """Of the frozen backbone and the frozen LLM."""
        audio = {} if self.model.audio is None else {"backbone": self.model.audio.backbone.fingerprint}
        return {**audio, "llm": self.model.llm.fingerprint}

    def portable_recipe(self) -> dict[str, Any]:
        """The recipe with the prompt's text in it, so that no YAML file has to travel along."""
        recipe = super().portable_recipe()
        stages = [
            {**stage, "prompt": template.to_dict()} if stage["prompt"] else stage
            for stage, template in zip(recipe.get("stages") or [], self.stage_templates, strict=False)
        ]
        return {**recipe, "prompt": self.template.to_dict(), "stages": stages or None}

    def notes(self) -> list[str]:
        """Who votes, and the LLM's precision where the recipe leaves it to the machine."""
        notes = super().notes()
        if self.voter is not None and self.has_vote:
            notes.append(self.voter.note())
        if self.llm.dtype != "auto":
            return notes
        dtype = str(self.model.llm.embed.weight.dtype).removeprefix("torch.")
        why = (
            "in which this machine computes"
            if dtype == "bfloat16"
            else "not bfloat16, which this machine is not known to compute in"
        )
        return [*notes, f"The LLM's frozen weights are in {dtype}, {why}."]

    # -- fit ------------------------------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Tell of options without effect and look at the training labels, before the training part is heard."""
        self.known_statistics.forget()
        for sentence in idle_options(self):
            warnings.warn(sentence, stacklevel=1)
        self.refuse_data(self.trainer.datamodule)
        self.label_loss.learn(self.trainer.datamodule.parts.train)
        super().on_fit_start()

    def forget_training_part(self) -> None:
        """What votes is forgotten too."""
        super().forget_training_part()
        if self.voter is not None:
            self.voter.forget()

    def hear_training_part(self) -> None:
        """Hear every training speaker once, and fit what votes."""
        super().hear_training_part()
        if self.voter is not None and self.needs_labels:
            self._fit_voter(self.voter)

    def on_fit_end(self) -> None:
        """Make room."""
        self.known_statistics.forget()

    # -- loss and scores ------------------------------------------------------------------------------------

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy over the label set, or over the answer's tokens."""
        self.model.llm.unmerge()
        if self._warms_up:
            return self.label_loss(self._head_logits(batch), batch.targets, batch.utterances)
        template = (
            self.stage_templates[stage_at(self.stages, self.current_epoch)] if self.stages else self.template
        )
        speech, _ = self._speech(batch, template)
        prompts = self.asking.prompts(template, batch, training=True)
        if template.task == "emotion":
            labels = self.asking.encoder(template).label_tokens()
            scores = self.model.label_scores(prompts, labels, speech)
            if self.objective == "label_set":
                return self.label_loss(scores, batch.targets, batch.utterances)
            weights = self.label_loss.weights(batch.targets)
            sizes = torch.tensor([len(tokens) for tokens in labels], device=scores.device)
            right = scores.gather(1, batch.targets[:, None])[:, 0]
            return -(weights * right).sum() / sizes[batch.targets].sum()
        scores, sizes = self.model.answer_scores(prompts, self.asking.answers(template, batch), speech)
        return -scores.sum() / sizes.sum()

    @torch.no_grad()
    def score(self, batch: Batch) -> Scores:
        """Exact label scores; for joint answers the transcript is generated first."""
        if self._warms_up:
            return Scores(self._head_logits(batch).log_softmax(-1))
        if self._may_merge:
            self.model.llm.merge()
        else:
            self.model.llm.unmerge()
        encoder = self.asking.encoder(self.template)
        speech, statistics = self._speech(batch, self.template)
        prompts = self.asking.prompts(self.template, batch)
        labels = encoder.label_tokens()
        if self.template.task == "emotion":
            scores = self.model.label_scores(prompts, labels, speech)
            if self.voter is not None and self.voter_is_heard and statistics is not None:
                scores = self.voter(scores, statistics)
            return Scores(scores)
        texts = self.model.generate(prompts, speech, self.max_answer_tokens)
        read = [encoder.parse(text) for text in texts]
        transcripts = [transcript for transcript, _ in read]
        if self.template.task == "asr":
            return Scores(None, transcripts=transcripts)
        starts = [encoder.answer_start(transcript) for transcript in transcripts]
        prompts = [replace(p, after=[*p.after, *s]) for p, s in zip(prompts, starts, strict=True)]
        scores = self.model.label_scores(prompts, labels, speech)
        unread = torch.tensor([index < 0 for _, index in read], device=scores.device)
        return Scores(scores, scores.argmax(-1).masked_fill(unread, -1), transcripts)

    def nothing(self) -> Scores:
        """No label scores and no transcripts, as the task has them."""
        if self.shared_out and not self._warms_up:
            self._empty_forward()
        if self._warms_up or self.template.task == "emotion":
            return super().nothing()
        return replace(Scores(None) if self.template.task == "asr" else super().nothing(), transcripts=[])

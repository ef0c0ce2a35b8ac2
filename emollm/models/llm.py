"""The language model: any Hugging Face causal LM, with an adapter from PEFT on top."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from emollm.errors import UserError
from emollm.models.attention import attention
from emollm.models.encoding import end_of_turn
from emollm.models.fingerprint import fingerprint
from emollm.models.fusion import Fused
from emollm.models.merging import Merging
from emollm.models.precision import Precision, dtype_of
from emollm.models.prefix import PrefixCache, with_past
from emollm.models.sources import readable_errors, resolve
from emollm.wording import first_line


@dataclass
class AdapterSpec:
    """What of the LLM is trained."""

    kind: Literal["lora", "dora", "ia3", "none"] = "lora"
    """``none`` keeps the LLM frozen as it is."""
    rank: int = 16
    """Rank of the LoRA matrices."""
    alpha: int = 32
    """LoRA's scale is alpha / rank."""
    dropout: float = 0.05
    targets: list[str] | str | None = None
    """Module names to adapt, or ``all-linear``; None takes PEFT's default for the architecture."""
    last_layers: int | None = None
    """Adapt the uppermost so many blocks only; without audio, training then costs no gradient below them."""


@dataclass
class LLMSpec:
    """Which language model, in which precision, with which adapter."""

    source: str = "packaged:smollm2-135m-instruct"
    """Hub id, local folder, or ``packaged:NAME``."""
    dtype: Precision = "float32"
    """Precision of the frozen weights; the adapter stays in float32. ``auto`` is bfloat16 where the machine
    computes in it, which is faster and coarser, and float32 where it would only imitate it."""
    quantization: Literal["none", "8bit", "4bit"] = "none"
    """Load the frozen weights in 8 or 4 bits (needs a GPU and ``emollm[quantization]``)."""
    adapter: AdapterSpec = field(default_factory=AdapterSpec)
    gradient_checkpointing: bool = False
    """Trade a fifth of the speed for activation memory; rarely worth it at these lengths."""
    compile: bool = False
    """Compile the forward with ``torch.compile``; ``benchmarks/llm.py`` tells whether it pays here."""


class CausalLM(nn.Module):
    """A causal LM that reads embeddings and returns logits only where they are asked for.

    Attributes:
        width: size of its embeddings.
        fingerprint: of the frozen base weights.
    """

    def __init__(self, model: Any, tokenizer: Any, base_fingerprint: str, checkpointing: bool = False) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.model = model
        self.tokenizer = tokenizer
        self.fingerprint = base_fingerprint
        self.width = int(model.get_input_embeddings().weight.shape[1])
        self._merging = Merging(model)
        self.prefixes = PrefixCache(model)
        self.train()  # weights come in eval mode, and Lightning leaves modes as it finds them

    @property
    def embed(self) -> nn.Module:
        """The input embedding."""
        return self.model.get_input_embeddings()

    @property
    def embedding_scale(self) -> float:
        """Standard deviation of the token embeddings: the size speech embeddings start with."""
        # Of what comes out: some architectures scale the matrix's rows on their way.
        ids = torch.arange(min(4096, self.embed.weight.shape[0]), device=self.embed.weight.device)
        with torch.no_grad():
            return float(self.embed(ids).float().std())

    @property
    def blocks(self) -> list[nn.Module]:
        """Its transformer blocks: the longest list of modules there is."""
        lists = [part for part in self.model.modules() if isinstance(part, nn.ModuleList)]
        return list(max(lists, key=len, default=()))

    @property
    def window(self) -> int | None:
        """How many tokens some of its layers look back; None where all look back all the way."""
        config = self.model.config.get_text_config()
        sizes = (getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size", "window_size"))
        return min((size for size in sizes if isinstance(size, int) and size > 0), default=None)

    @property
    def merged(self) -> bool:
        """Whether the adapter is folded into the frozen weights."""
        return self._merging.merged

    def merge(self) -> None:
        """Fold the adapter into the frozen weights, for inference; they stay as they are where that is inexact."""
        if self._merging.merge():
            self.prefixes.forget()

    def unmerge(self) -> None:
        """Take the adapter out of the frozen weights again, before anything is trained."""
        if self._merging.unmerge():
            self.prefixes.forget()

    def can_share(self, batch: int) -> bool:
        """Whether what all rows of a batch begin with may be computed once, for all of them alike.

        Not where dropout would draw anew for each row, nor where activations are not kept. With gradients it has
        to pay off within the batch, and was seen to on CPUs.
        """
        if not self.prefixes.supported or any(_drops(module) for module in self.model.modules()):
            return False
        gains = batch > 1 and not self.checkpointing and self.embed.weight.device.type == "cpu"
        return gains or not torch.is_grad_enabled()

    def logits(
        self,
        embeddings: Tensor,
        mask: Tensor,
        positions: Tensor,
        columns: Tensor,
        past: Any = None,
    ) -> Tensor:
        """One forward; the vocabulary projection is computed at the asked columns only.

        Args:
            embeddings: (B, S, H).
            mask: (B, S) bool, or (B, 1, S, P + S) additive.
            positions: (B, S) position ids.
            columns: (B, A) columns to read.
            past: keys and values of P positions before, from ``prefixes``; the forward extends them.

        Returns:
            (B, A, V) logits.
        """
        mask = mask.long() if mask.ndim == 2 else mask
        rows = torch.arange(len(embeddings), device=embeddings.device)[:, None]
        head = self.model.get_output_embeddings()
        picking = head.register_forward_pre_hook(lambda _, args: (args[0][rows, columns],))
        size, length, _ = embeddings.shape
        try:
            with attention(self.model, size * length * mask.shape[-1], self.checkpointing):
                return self.model(
                    inputs_embeds=embeddings,
                    attention_mask=mask,
                    position_ids=positions,
                    **with_past(self.model, past),
                    use_cache=False,
                ).logits
        finally:
            picking.remove()

    @torch.no_grad()
    def generate(self, fused: Fused, max_new_tokens: int) -> list[str]:
        """Answer greedily; ``fused`` must be padded on the left."""
        tokens = self.model.generate(
            inputs_embeds=fused.embeddings,
            attention_mask=fused.mask.long(),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,  # a model's own settings may say otherwise
            pad_token_id=self.tokenizer.pad_token_id or self.tokenizer.eos_token_id,
            eos_token_id=sorted({self.tokenizer.eos_token_id, end_of_turn(self.tokenizer)}),
        )
        return self.tokenizer.batch_decode(tokens, skip_special_tokens=True)

    def train(self, mode: bool = True) -> CausalLM:
        """The frozen weights stay in eval mode (no dropout of theirs); the adapter's dropout follows.

        With checkpointing, blocks that drop by themselves and not by a layer in them, as OPT's, still do.
        """
        super().train(False)
        if self.checkpointing:
            from transformers.modeling_layers import GradientCheckpointingLayer

            # Transformers computes a block anew only where that very module, not what it holds, is in train mode.
            for module in self.model.modules():
                if isinstance(module, GradientCheckpointingLayer):
                    module.training = mode
        for name, module in self.model.named_modules():
            if "lora_dropout" in name:
                module.train(mode)
        return self


def load_llm(spec: LLMSpec, device: torch.device = torch.device("cpu")) -> CausalLM:
    """Load a language model, freeze it, and put the adapter on it.

    Args:
        spec: which one, and how.
        device: where it will be; it is loaded on the CPU, but with quantization, which puts it on the GPU at once.

    Raises:
        UserError: when the weights cannot be had, or the adapter's targets are not in the model.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path, dtype = resolve(spec.source), dtype_of(spec.dtype, device, "model.llm.dtype")
    with readable_errors(path, "the language model"):
        tokenizer = AutoTokenizer.from_pretrained(path)
        model = AutoModelForCausalLM.from_pretrained(
            path, dtype=dtype, quantization_config=_quantization(spec, dtype)
        )
    if tokenizer.eos_token_id is None:
        raise UserError(f"The tokenizer of '{spec.source}' has no end-of-sequence token, so answers cannot end.")
    model.requires_grad_(False)
    model.eval()
    base_fingerprint = fingerprint(model)
    if spec.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    adapted = _adapt(model, spec)
    if spec.compile:
        # In place, so that weights keep the names that checkpoints know.
        model.get_decoder().compile(dynamic=True)
    return CausalLM(adapted, tokenizer, base_fingerprint, spec.gradient_checkpointing)


def _adapt(model: Any, spec: LLMSpec) -> Any:
    adapter = spec.adapter
    if adapter.kind == "none":
        return model
    from peft import IA3Config, LoraConfig, TaskType, get_peft_model

    if adapter.kind == "ia3":
        if adapter.last_layers is not None:
            raise UserError(
                "model.llm.adapter.last_layers does not go with kind 'ia3': leave it out, or take lora."
            )
        config = IA3Config(task_type=TaskType.CAUSAL_LM, target_modules=adapter.targets)
    else:
        config = LoraConfig(
            task_type=TaskType.CAUSAL_LM,
            r=adapter.rank,
            lora_alpha=adapter.alpha,
            lora_dropout=adapter.dropout,
            target_modules=adapter.targets,
            use_dora=adapter.kind == "dora",
            layers_to_transform=_last_layers(model, adapter),
        )
    try:
        with warnings.catch_warnings():
            # PEFT asks for an attribute that transformers has renamed.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
            return get_peft_model(model, config)
    except ValueError as error:
        raise UserError(
            f"model.llm.adapter.targets {adapter.targets or '(default)'} do not fit '{spec.source}': "
            f"{first_line(error)} Name its linear layers, or use 'all-linear'."
        ) from error


def _drops(module: nn.Module) -> bool:
    return isinstance(module, nn.Dropout) and module.training and module.p > 0


def _last_layers(model: Any, adapter: AdapterSpec) -> list[int] | None:
    number = adapter.last_layers
    if number is None:
        return None
    if isinstance(adapter.targets, str):
        raise UserError(
            f"model.llm.adapter.last_layers does not go with targets '{adapter.targets}': list the modules' "
            "names, as [q_proj, v_proj]."
        )
    depth = int(model.config.num_hidden_layers)
    if not 1 <= number <= depth:
        raise UserError(f"model.llm.adapter.last_layers is {number}: this language model has {depth} blocks.")
    return list(range(depth - number, depth))


def _quantization(spec: LLMSpec, dtype: torch.dtype) -> Any:
    if spec.quantization == "none":
        return None
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"model.llm.quantization is '{spec.quantization}', which needs bitsandbytes: "
            'pip install "emollm[quantization]", or set it to none.'
        ) from error
    from transformers import BitsAndBytesConfig

    if spec.quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)

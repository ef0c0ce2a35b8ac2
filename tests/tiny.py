"""Tiny random-weight models in true Hugging Face folders, for tests that need no real weights."""

from pathlib import Path

import torch

WORDS = (
    "the of emotion which speaker express answer with one say audio transcript angry happy sad neutral calm "
    "disgust fear surprise fearful you recognise from speech kids are talking by door dogs sitting"
)
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def save_tokenizer(folder: Path, chat: bool) -> int:
    """A small byte-level BPE tokenizer; returns the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "<|im_end|>", "<|im_start|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([WORDS] * 3, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    fast.chat_template = CHAT if chat else None
    fast.save_pretrained(folder)
    return len(fast)


def save_llm(folder: Path, family: str, chat: bool = True) -> Path:
    """A two-layer causal LM of a real architecture: ``llama``, ``qwen2`` or ``gpt2``."""
    from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, Qwen2Config

    torch.manual_seed(0)
    size = save_tokenizer(folder, chat)
    common = {"vocab_size": size, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    decoder = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        # Larger than the usual 0.02, so that tiny models give label scores that differ.
        "initializer_range": 0.2,
    }
    config = {
        "llama": lambda: LlamaConfig(**common, **decoder),
        "qwen2": lambda: Qwen2Config(**common, **decoder),
        "gpt2": lambda: GPT2Config(
            **common, n_embd=32, n_layer=2, n_head=4, n_positions=512, initializer_range=0.2
        ),
    }[family]()
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder

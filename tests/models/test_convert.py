"""The converters, on tiny random models written in the true formats."""

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoFeatureExtractor,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    WhisperForConditionalGeneration,
    WhisperModel,
)

from emollm.errors import UserError
from emollm.models.convert_whisper import convert_whisper
from emollm.models.ctranslate2_file import read_variables
from tests.fake_weights import ctranslate2_bytes, llama_gguf, tiny_whisper, whisper_tokenizer

SETTINGS = {"suppress_ids": [1], "suppress_ids_begin": [0], "alignment_heads": [[0, 0]], "lang_ids": [2]}


def test_whisper_comes_back_exactly(tmp_path):
    model = tiny_whisper()
    convert_whisper(ctranslate2_bytes(model), SETTINGS, whisper_tokenizer(), tmp_path)
    back, info = WhisperForConditionalGeneration.from_pretrained(
        tmp_path, dtype=torch.float32, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    for name, value in model.state_dict().items():
        assert torch.equal(back.state_dict()[name], value), name
    ours, theirs = back.config.to_dict(), model.config.to_dict()
    same = [key for key in theirs if key.endswith(("_layers", "_heads", "_dim", "positions", "token_id"))]
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
    mel, tokens = torch.randn(1, 80, 100), torch.tensor([[1, 8, 30]])
    with torch.no_grad():
        assert torch.equal(
            back.eval()(mel, decoder_input_ids=tokens).logits, model(mel, decoder_input_ids=tokens).logits
        )


def test_whisper_folder_is_ordinary(tmp_path):
    convert_whisper(ctranslate2_bytes(tiny_whisper()), SETTINGS, whisper_tokenizer(), tmp_path)
    assert WhisperModel.from_pretrained(tmp_path).dtype == torch.float16
    assert AutoFeatureExtractor.from_pretrained(tmp_path).feature_size == 80
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == 0
    assert tokenizer.convert_tokens_to_ids(["<|0.00|>", "<|30.00|>"]) == [9, 1509]
    generation = json.loads((tmp_path / "generation_config.json").read_text())
    assert generation["no_timestamps_token_id"] == 8
    assert generation["is_multilingual"] is False


@pytest.mark.parametrize("spoil", ["short", "empty", "version"])
def test_not_a_ctranslate2_file(spoil):
    content = ctranslate2_bytes(tiny_whisper())
    spoilt = {"short": content[:2000], "empty": b"", "version": b"\x05" + content[1:]}[spoil]
    with pytest.raises(UserError, match="CTranslate2"):
        read_variables(spoilt)


def random_llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=260,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=512,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter).mul(0.3).half().float())
    return model


@pytest.fixture(scope="module")
def converted_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("gguf")
    from emollm.models.convert_gguf import convert_gguf

    root = tmp_path_factory.mktemp("gguf")
    llama_gguf(random_llama(), root / "model.gguf")
    (root / "out").mkdir()
    convert_gguf(root / "model.gguf", root / "out")
    return root / "out"


def test_llama_comes_back_exactly(converted_llama):
    model = random_llama()
    back = AutoModelForCausalLM.from_pretrained(converted_llama, dtype=torch.float32)
    assert back.get_output_embeddings().weight is back.get_input_embeddings().weight
    tokens = torch.arange(40)[None]
    with torch.no_grad():
        torch.testing.assert_close(back(tokens).logits, model(tokens).logits, rtol=0, atol=1e-5)
    assert not hasattr(back.config, "quantization_config")
    assert (back.generation_config.eos_token_id, back.generation_config.pad_token_id) == (2, 2)


def test_llama_tokenizer_splits_digits_first(converted_llama):
    tokenizer = AutoTokenizer.from_pretrained(converted_llama)
    # Byte-level splitting alone would leave one of the two spaces to the 7.
    assert tokenizer.tokenize("a  71") == ["a", "ĠĠ", "7", "1"]
    text = "Grüße 2024!<|im_end|>\n"
    assert tokenizer.decode(tokenizer(text).input_ids) == text
    assert tokenizer("<|im_end|>").input_ids == [tokenizer.eos_token_id] == [2]
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False)
    assert chat == "<|im_start|>x<|im_end|>"


def test_other_architectures_are_refused(tmp_path):
    gguf = pytest.importorskip("gguf")
    from emollm.models.convert_gguf import convert_gguf

    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "gemma")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(UserError, match="gemma"):
        convert_gguf(tmp_path / "model.gguf", tmp_path)

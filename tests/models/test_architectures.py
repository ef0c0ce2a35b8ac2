"""Language models that attend otherwise than most: scored as they score one label by itself, or refused."""

import pytest
import torch
import transformers

from emollm.errors import UserError
from emollm.models.interfaces import MLPInterface
from emollm.models.llm import AdapterSpec, LLMSpec, load_llm
from emollm.models.speech_llm import SpeechLLM, build_speech_llm
from tests.models.test_prefix import inputs
from tests.tiny import save_tokenizer

DECODER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
}


def save(folder, config, **options):
    torch.manual_seed(0)
    size = save_tokenizer(folder, chat=True)
    config = config(vocab_size=size, bos_token_id=0, eos_token_id=1, pad_token_id=1, **options)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def frozen(folder):
    return LLMSpec(source=str(folder), adapter=AdapterSpec(kind="none"))


@pytest.mark.parametrize(
    ("config", "options"),
    [
        (transformers.MistralConfig, {"sliding_window": 16}),
        (transformers.Gemma3TextConfig, {"head_dim": 8, "sliding_window": 16}),
        (transformers.Qwen3Config, {"head_dim": 8}),
    ],
)
@torch.no_grad()
def test_prompts_that_are_longer_than_layers_look_back(tmp_path, config, options):
    model = SpeechLLM(load_llm(frozen(save(tmp_path, config, **DECODER, **options))).eval(), None)
    args = inputs(model.llm, "prompt_first")
    tree = model.label_scores(*args)
    model.scoring = "plain"
    torch.testing.assert_close(tree, model.label_scores(*args), atol=1e-4, rtol=0)
    assert model.llm.window == options.get("sliding_window")


@pytest.mark.parametrize(
    ("config", "options", "says"),
    [
        (
            transformers.Lfm2Config,
            {**DECODER, "layer_types": ["conv", "full_attention"], "full_attn_idxs": [1]},
            "moves scores by",
        ),
        (transformers.MambaConfig, {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}, "fails"),
    ],
)
def test_what_no_mask_keeps_apart_is_refused(tmp_path, config, options, says):
    folder = save(tmp_path, config, **options)
    with pytest.raises(UserError, match=rf"scoring is tree, which {says}.* set model\.scoring to plain"):
        build_speech_llm(None, MLPInterface, "mix", frozen(folder))
    assert build_speech_llm(None, MLPInterface, "mix", frozen(folder), scoring="plain").scoring == "plain"


def test_an_architecture_that_is_not_known_and_takes_a_tree_is_used(tmp_path):
    folder = save(tmp_path, transformers.GPTNeoXConfig, **DECODER)
    model = build_speech_llm(None, MLPInterface, "mix", frozen(folder))
    assert (model.scoring, model.llm.training) == ("tree", False)


def test_speech_begins_at_the_size_of_embeddings_as_they_come_out(tmp_path):
    """Gemma multiplies its embeddings by the square root of their width."""
    llm = load_llm(frozen(save(tmp_path, transformers.GemmaConfig, head_dim=8, **DECODER)))
    raw = llm.embed.weight[:4096].std().item()
    assert llm.embedding_scale == pytest.approx(raw * 32**0.5, rel=0.05)

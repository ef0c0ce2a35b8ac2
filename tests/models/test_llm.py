"""The language model: adapters, their round trip through an export, and what is refused."""

import json
import sys

import pytest
import torch

from emollm import factory, weights
from emollm.errors import UserError
from emollm.models.llm import AdapterSpec, LLMSpec, load_llm
from tests.small import build, make_batch, recipe, train
from tests.tiny import save_llm


def llm(folder, **changes):
    adapter = {key: changes.pop(key) for key in ("kind", "rank", "targets", "dropout") if key in changes}
    return load_llm(LLMSpec(str(folder), adapter=AdapterSpec(**adapter), **changes))


@pytest.mark.parametrize("kind", ["lora", "dora", "ia3", "none"])
def test_the_adapter_alone_is_trained(tiny_llm, kind):
    model = llm(tiny_llm, kind=kind)
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert bool(trained) == (kind != "none")
    assert all("lora_" in name or "ia3_" in name for name in trained)


def test_adapters_change_nothing_before_they_are_trained(tiny_llama):
    embeddings = torch.randn(1, 5, 32)
    rest = (torch.ones(1, 5, dtype=torch.bool), torch.arange(5)[None], torch.tensor([[3, 4]]))
    want = llm(tiny_llama, kind="none").eval().logits(embeddings, *rest)
    for kind in ("lora", "dora", "ia3"):
        torch.testing.assert_close(llm(tiny_llama, kind=kind).eval().logits(embeddings, *rest), want, msg=kind)


def test_logits_are_those_of_transformers_at_the_asked_columns(tiny_llm):
    model = llm(tiny_llm, kind="none")
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
    columns = torch.tensor([[3, 1], [0, 3]])
    mask, positions = torch.ones(2, 4, dtype=torch.bool), torch.arange(4).expand(2, 4)
    got = model.logits(model.embed(ids), mask, positions, columns)
    want = model.model(ids).logits
    torch.testing.assert_close(got, torch.stack([want[0, [3, 1]], want[1, [0, 3]]]), atol=1e-5, rtol=1e-5)


def test_the_frozen_weights_take_their_precision_and_the_adapter_stays_exact(tiny_llama):
    model = llm(tiny_llama, dtype="bfloat16")
    kinds = {("lora_" in name, parameter.dtype) for name, parameter in model.named_parameters()}
    assert kinds == {(True, torch.float32), (False, torch.bfloat16)}
    assert model.fingerprint == llm(tiny_llama).fingerprint, "one model in any precision"


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_wrong_targets_are_told(tiny_llama, kind):
    with pytest.raises(UserError, match=r"model\.llm\.adapter\.targets.*no_such_layer"):
        llm(tiny_llama, kind=kind, targets=["no_such_layer"])


def test_all_linear_layers_can_be_adapted(tiny_llama):
    names = [n for n, p in llm(tiny_llama, targets="all-linear").named_parameters() if p.requires_grad]
    assert any("down_proj" in name for name in names)


def test_only_the_adapters_dropout_is_ever_on(tmp_path):
    """GPT-2's own dropout stays off while the adapter trains."""
    model = llm(save_llm(tmp_path, "gpt2", chat=False), dropout=0.5).train()
    on = {
        name for name, module in model.named_modules() if isinstance(module, torch.nn.Dropout) and module.training
    }
    assert on
    assert all("lora_dropout" in name for name in on)


def test_quantization_without_bitsandbytes_is_told(tiny_llama, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match=r"needs bitsandbytes: pip install"):
        llm(tiny_llama, quantization="4bit")


def test_a_folder_that_is_no_language_model_is_told(tiny_wavlm):
    with pytest.raises(UserError, match="the language model"):
        llm(tiny_wavlm)


def test_a_tokenizer_without_an_end_is_told(tmp_path):
    folder = save_llm(tmp_path, "llama")
    file = folder / "tokenizer_config.json"
    values = json.loads(file.read_text())
    values.pop("eos_token")
    file.write_text(json.dumps(values))
    with pytest.raises(UserError, match="end-of-sequence"):
        llm(folder)


@pytest.mark.parametrize("kind", ["lora", "dora", "ia3", "none"])
def test_an_export_scores_as_what_was_trained(tiny_wavlm, tiny_llama, tmp_path, kind):
    changes = {"llm": {"source": str(tiny_llama), "adapter": {"kind": kind, "rank": 4, "dropout": 0.0}}}
    module, batch = build(tiny_wavlm, tiny_llama, **changes), make_batch()
    fresh = module.score(batch).log_scores
    train(module, batch, 3)
    module.eval()
    weights.write_folder(module, tmp_path / "model")
    again = factory.load(tmp_path / "model")
    torch.testing.assert_close(again.score(batch).log_scores, module.score(batch).log_scores, atol=1e-5, rtol=0)
    assert not torch.allclose(again.score(batch).log_scores, fresh, atol=1e-2)
    assert (tmp_path / "model" / "adapter").is_dir() == (kind != "none")


def test_an_adapter_of_another_kind_is_refused(tiny_wavlm, tiny_llama, tmp_path):
    weights.write_folder(build(tiny_wavlm, tiny_llama), tmp_path / "model")
    other = {"source": str(tiny_llama), "adapter": {"kind": "ia3"}}
    module = factory.build("emotion_llm", recipe(tiny_wavlm, tiny_llama, llm=other))
    with pytest.raises(UserError, match="does not fit"):
        weights.apply(weights.read(tmp_path / "model"), module)


def test_an_export_overwrites_nothing(tiny_wavlm, tiny_llama, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="not an empty folder"):
        weights.write_folder(build(tiny_wavlm, tiny_llama), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_with_another_specification_is_told(tmp_path):
    (tmp_path / "specification.json").write_text('{"name": "something else"}')
    with pytest.raises(UserError, match="specification lacks"):
        weights.read(tmp_path)


def test_the_uppermost_blocks_alone_may_be_adapted(tiny_llama):
    spec = LLMSpec(source=str(tiny_llama), adapter=AdapterSpec(targets=["q_proj"], last_layers=1))
    trained = [name for name, p in load_llm(spec).named_parameters() if p.requires_grad]
    assert trained
    assert all(".layers.1." in name for name in trained)


def test_blocks_cannot_be_chosen_for_all_linear_layers(tiny_llama):
    with pytest.raises(UserError, match="list the modules"):
        load_llm(LLMSpec(source=str(tiny_llama), adapter=AdapterSpec(targets="all-linear", last_layers=1)))


@pytest.mark.parametrize("number", [0, 3])
def test_more_blocks_than_there_are_is_told(tiny_llama, number):
    with pytest.raises(UserError, match="2 blocks"):
        load_llm(LLMSpec(source=str(tiny_llama), adapter=AdapterSpec(last_layers=number)))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_short_sequences_are_computed_in_plain_products_and_long_ones_are_not(tmp_path, family):
    """The same scores and gradients; what the model is told is taken back, whatever happens."""
    folder = save_llm(tmp_path / family, family)
    llm = load_llm(LLMSpec(str(folder), adapter=AdapterSpec(dropout=0.0)))
    config, seen = llm.model.config, []
    llm.blocks[0].register_forward_pre_hook(lambda *_: seen.append(config._attn_implementation))
    embeddings = torch.randn(2, 7, llm.width)
    mask, positions = torch.ones(2, 7, dtype=torch.bool), torch.arange(7).expand(2, -1)
    mask[0, :3] = False

    def forward():
        return llm.logits(embeddings, mask, positions, torch.tensor([[5, 6], [5, 6]]))

    plain = forward()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emollm.models.attention._FEW", 10)
        long = forward()
    assert seen == ["grouped", "sdpa"]
    torch.testing.assert_close(plain, long, atol=1e-5, rtol=0)
    trained = [weight for weight in llm.parameters() if weight.requires_grad]
    for mine, other in zip(
        torch.autograd.grad(plain.sum(), trained), torch.autograd.grad(long.sum(), trained), strict=True
    ):
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)
    assert config._attn_implementation == "sdpa"


def test_checkpointing_switches_on_no_dropout_of_the_frozen_weights(tmp_path):
    model = llm(save_llm(tmp_path, "gpt2"), rank=4, dropout=0.0, gradient_checkpointing=True)
    drops = [part for part in model.modules() if isinstance(part, torch.nn.Dropout)]
    calls = []
    for block in model.blocks:
        inner = block._gradient_checkpointing_func
        block._gradient_checkpointing_func = lambda *a, inner=inner: (calls.append(1), inner(*a))[1]
    embeddings = torch.randn(1, 5, 32)
    rest = (torch.ones(1, 5, dtype=torch.bool), torch.arange(5)[None], torch.tensor([[3, 4]]))
    first, second = (model.train().logits(embeddings, *rest) for _ in range(2))
    torch.testing.assert_close(first, second)
    assert len(calls) == 4, "each block, each time"
    assert drops
    assert not any(part.training for part in drops)


def test_ia3_takes_all_blocks(tiny_llama):
    with pytest.raises(UserError, match="last_layers does not go with kind 'ia3'"):
        load_llm(LLMSpec(str(tiny_llama), adapter=AdapterSpec(kind="ia3", last_layers=1)))

"""An adapter folded into the frozen weights: the same scores, and out again bit by bit."""

import pytest
import torch

from emollm.models.llm import AdapterSpec, LLMSpec, load_llm
from emollm.models.speech_llm import SpeechLLM
from tests.models.test_prefix import inputs
from tests.tiny import save_llm

KINDS = ["lora", "dora", "ia3"]


def adapted(folder, kind="lora", dtype="float32", targets=None):
    torch.manual_seed(0)
    adapter = AdapterSpec(kind=kind, rank=4, dropout=0.0, targets=targets)
    llm = load_llm(LLMSpec(source=str(folder), dtype=dtype, adapter=adapter)).eval()
    for parameter in llm.parameters():
        if parameter.requires_grad:  # so that the adapter does something
            parameter.data += 0.1 * torch.randn_like(parameter)
    return llm


def weights(llm):
    return {name: value.detach().clone() for name, value in llm.state_dict().items()}


@pytest.mark.parametrize("kind", KINDS)
def test_scores_stay_and_every_weight_comes_back_bit_by_bit(tiny_llm, kind):
    llm = adapted(tiny_llm, kind)
    model, args, before = SpeechLLM(llm, None), inputs(llm, "prompt_first"), weights(llm)
    with torch.inference_mode():  # as Lightning evaluates
        want = model.label_scores(*args)
        llm.merge()
        assert llm.merged
        merged = weights(llm)
        torch.testing.assert_close(model.label_scores(*args), want, atol=1e-4, rtol=0)
        llm.unmerge()
        assert torch.equal(model.label_scores(*args), want)
    after = llm.state_dict()
    assert list(after) == list(before)
    assert any(not torch.equal(merged[name], before[name]) for name in before)
    for name in before:
        assert torch.equal(after[name], before[name]), name
        assert torch.equal(merged[name], before[name]) or "base_layer" in name, "the adapter is saved from here"
    model.label_scores(*args).sum().backward()
    assert all(p.grad is not None for p in llm.parameters() if p.requires_grad), "it can be trained as before"


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_loaded_while_merged_is_folded_in_anew(tiny_llama, kind):
    llm, other = adapted(tiny_llama, kind), adapted(tiny_llama, kind)
    trained = {name for name, p in llm.named_parameters() if p.requires_grad}
    model, args, before = SpeechLLM(llm, None), inputs(llm, "audio_transcript"), weights(llm)
    new = {name: value * 1.5 for name, value in before.items() if name in trained}
    other.load_state_dict(new, strict=False)
    with torch.no_grad():
        llm.merge()
        old = model.label_scores(*args)
        llm.load_state_dict(new, strict=False)
        llm.merge()
        want = SpeechLLM(other, None).label_scores(*args)
        torch.testing.assert_close(model.label_scores(*args), want, atol=1e-4, rtol=0)
        assert not torch.allclose(old, want, atol=1e-3)
    llm.unmerge()
    assert all(torch.equal(value, before[name]) for name, value in llm.state_dict().items() if name not in trained)


def test_merging_twice_changes_nothing_and_keeps_what_was_computed(tiny_llama):
    llm = adapted(tiny_llama)
    model, args = SpeechLLM(llm, None), inputs(llm, "prompt_first")
    with torch.no_grad():
        for _ in range(2):
            llm.merge()
            model.label_scores(*args)
            kept = list(llm.prefixes._kept.values())
        llm.merge()
        assert list(llm.prefixes._kept.values()) == kept


def test_half_precision_is_left_as_it_is(tiny_llama):
    llm = adapted(tiny_llama, dtype="bfloat16")
    before = weights(llm)
    llm.merge()
    assert not llm.merged
    assert all(torch.equal(value, before[name]) for name, value in llm.state_dict().items())


def test_without_an_adapter_there_is_nothing_to_merge(tiny_llama):
    llm = load_llm(LLMSpec(source=str(tiny_llama), adapter=AdapterSpec(kind="none")))
    llm.merge()
    assert not llm.merged


@pytest.mark.parametrize(("targets", "merges"), [(["q_proj"], True), (["q_proj", "lm_head"], False)])
def test_a_matrix_that_is_at_work_in_two_places_is_left_as_it_is(tmp_path, targets, merges):
    from transformers import AutoModelForCausalLM

    folder = save_llm(tmp_path, "llama")
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.config.tie_word_embeddings = True
    model.tie_weights()
    model.save_pretrained(folder)
    llm = adapted(folder, targets=targets)
    model, args = SpeechLLM(llm, None), inputs(llm, "prompt_first")
    with torch.inference_mode():
        want = model.label_scores(*args)
        llm.merge()
        assert llm.merged is merges
        torch.testing.assert_close(model.label_scores(*args), want, atol=1e-4, rtol=0)

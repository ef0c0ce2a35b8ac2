"""Label scores: exact, from one forward, and the same whatever the batch looks like."""

import pytest
import torch

from emollm.models.encoding import EncodedPrompt, PromptEncoder
from emollm.models.llm import AdapterSpec, LLMSpec, load_llm
from emollm.models.prompts import load_template
from emollm.models.scoring import LabelTree, tree_scores
from emollm.models.speech_llm import SpeechLLM

LABELS = ["angry", "happy", "sad", "fear", "fearful", "disgust"]


def test_tree_shares_beginnings_and_keeps_every_step():
    tree = LabelTree.build([[5, 6, 1], [5, 7, 1], [5, 6, 8, 1], [9, 1]])
    assert tree.tokens == [5, 6, 7, 8, 9]
    assert tree.parents == [-1, 0, 0, 1, -1]
    assert tree.depth == [1, 2, 2, 3, 1]
    assert tree.steps[2] == [(-1, 5), (0, 6), (1, 8), (3, 1)]
    assert tree.ancestors()[3].tolist() == [True, True, False, True, False]


def by_log_softmax(logits, tree):
    log = logits.float().log_softmax(-1)
    return torch.stack([sum(log[:, node + 1, token] for node, token in path) for path in tree.steps], dim=1)


@pytest.mark.parametrize(("dtype", "exact"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_scores_and_their_gradients_are_those_of_a_log_softmax(dtype, exact):
    """Labels that share tokens, logits whose rows do not lie one behind the other, a shared first token."""
    tree = LabelTree.build([[5, 6, 1], [5, 7, 1], [5, 6, 8, 1], [9, 1], [9, 6, 1]])
    torch.manual_seed(0)
    logits = (3 * torch.randn(len(tree) + 1, 4, 50)).transpose(0, 1).to(dtype)
    asked = torch.randn(4, 5)
    both = []
    for scores_of in (tree_scores, by_log_softmax):
        known = logits.clone().requires_grad_()
        found = scores_of(known, tree)
        (gradient,) = torch.autograd.grad((asked * found).sum(), known)
        assert gradient.dtype == dtype
        both.append((found.detach(), gradient.float()))
    torch.testing.assert_close(both[0][0], both[1][0], atol=1e-5, rtol=1e-6)
    torch.testing.assert_close(both[0][1], both[1][1], atol=exact, rtol=0)


@pytest.fixture
def parts(tiny_llm):
    llm = load_llm(LLMSpec(source=str(tiny_llm), adapter=AdapterSpec(kind="none"))).eval()
    encoder = PromptEncoder(llm.tokenizer, load_template("audio_transcript"), LABELS)
    torch.manual_seed(1)
    speech = [torch.randn(n, llm.width) for n in (3, 9, 1, 5, 2, 7, 4, 6)]
    texts = ["kids", "dogs are sitting by the door " * 3, "", "you", "say it", "a {b} c", "x", "the end"]
    prompts = [encoder.encode(text) for text in texts]
    return llm, encoder, prompts, speech


def scores(llm, encoder, prompts, speech, **options):
    with torch.no_grad():
        return SpeechLLM(llm, None, **options).label_scores(prompts, encoder.label_tokens(), speech)


def test_tree_equals_one_forward_for_each_label(parts):
    llm, *rest = parts
    torch.testing.assert_close(scores(llm, *rest), scores(llm, *rest, scoring="plain"), atol=1e-4, rtol=0)


def test_plain_scores_are_the_sum_of_token_log_probabilities(parts):
    """Against the model called by hand on one row without any padding."""
    llm, encoder, prompts, speech = parts
    got = scores(llm, encoder, prompts, speech, scoring="plain")[1, 4]
    label = encoder.label_tokens()[4]
    embed = llm.embed
    rows = [embed(torch.tensor(prompts[1].before)), speech[1], embed(torch.tensor([*prompts[1].after, *label]))]
    with torch.no_grad():
        log = llm.model(inputs_embeds=torch.cat(rows)[None]).logits[0].log_softmax(-1)
    want = sum(log[-len(label) - 1 + i, token] for i, token in enumerate(label))
    torch.testing.assert_close(got, want, atol=1e-4, rtol=0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_batch_of_eight_equals_one_by_one_whatever_the_padding(parts, side):
    llm, encoder, prompts, speech = parts
    alone = torch.cat([scores(llm, encoder, [p], [s]) for p, s in zip(prompts, speech, strict=True)])
    batch = scores(llm, encoder, prompts, speech, padding_side=side)
    torch.testing.assert_close(batch, alone, atol=1e-4, rtol=0)


def test_probabilities_of_all_answers_sum_to_one_for_a_complete_label_set(tiny_llama):
    """Labels that are single tokens, over the whole vocabulary: a distribution, hence exact likelihoods."""
    llm = load_llm(LLMSpec(source=str(tiny_llama), adapter=AdapterSpec(kind="none"))).eval()
    labels = [[token] for token in range(len(llm.tokenizer))]
    prompt = EncodedPrompt([0, 5, 6], [7], has_audio=False)
    with torch.no_grad():
        total = SpeechLLM(llm, None).label_scores([prompt], labels, None).exp().sum()
    torch.testing.assert_close(total, torch.tensor(1.0), atol=1e-5, rtol=0)


def test_answer_scores_of_a_batch_equal_one_by_one(parts):
    llm, encoder, prompts, speech = parts
    model = SpeechLLM(llm, None)
    answers = [encoder.answer_start(text) + [encoder.end_token] for text in "abcdefgh"]
    answers = [[*answer, *encoder.label_tokens()[i % 3]] for i, answer in enumerate(answers)]
    with torch.no_grad():
        batch, sizes = model.answer_scores(prompts, answers, speech)
        alone = [model.answer_scores([p], [a], [s])[0] for p, a, s in zip(prompts, answers, speech, strict=True)]
    assert sizes.tolist() == [len(answer) for answer in answers]
    torch.testing.assert_close(batch, torch.cat(alone), atol=1e-4, rtol=0)


def test_generation_of_a_batch_equals_one_by_one(parts):
    llm, _, prompts, speech = parts
    model = SpeechLLM(llm, None)
    batch = model.generate(prompts, speech, max_new_tokens=6)
    alone = [model.generate([p], [s], max_new_tokens=6)[0] for p, s in zip(prompts, speech, strict=True)]
    assert batch == alone

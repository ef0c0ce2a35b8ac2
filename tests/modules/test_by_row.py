"""Stored features that go to their statistics row by row: the same embeddings and gradients as of a batch."""

from dataclasses import replace

import pytest
import torch

from emollm.data.augment import Augmentation
from emollm.data.features import as_stored
from emollm.models.interfaces import StatisticsInterface
from emollm.models.ranges import Sums
from emollm.models.speech_llm import AudioPath
from emollm.modules.memory import Memory
from tests.small import build, make_batch

STATISTICS = {
    "class_path": "emollm.models.interfaces.StatisticsInterface",
    "init_args": {"tokens": 2, "hidden": 16, "dropout": 0.3},
}


def module_of(whisper, llm, **changes):
    ranges = {"own": 0.3, "borrowed": 0.3}
    stages = [{"answer": "head", "epochs": 1}, {"epochs": 1}]
    given = {"interface": STATISTICS, "layers": "concat", "speaker_range": ranges, "stages": stages}
    return build(whisper, llm, **{**given, **changes})


def stored(module, size=5):
    """Tones of several lengths, as the store gives them, of speakers whose ranges are known."""
    batch = make_batch(size)
    hidden, mask = module.audio_backbone(batch.waveforms, batch.lengths)
    rows = [replace(row, speaker=str(number % 2)) for number, row in enumerate(batch.utterances)]
    if module.ranges is not None:
        shape = hidden.shape[1], hidden.shape[3]
        known = {
            f"c/{name}": Sums(9, 90, torch.full(shape, 9.0 * name), torch.full(shape, 120.0)) for name in (0, 1)
        }
        module.ranges.learn(known.values())
        module.ranges.use(known)
    return replace(batch, waveforms=None, utterances=rows, features=as_stored(hidden), mask=mask)


def spied(monkeypatch):
    calls, real = [], AudioPath.from_statistics
    monkeypatch.setattr(
        AudioPath, "from_statistics", lambda self, *given: (calls.append(1), real(self, *given))[1]
    )
    return calls


@pytest.mark.parametrize("size", [5, 1])
@pytest.mark.parametrize(("training", "view"), [(True, "plain"), (False, "plain"), (False, "own")])
@pytest.mark.parametrize("speaker_range", [None, {"own": 0.3, "borrowed": 0.3}])
def test_rows_give_what_a_batch_gives(tiny_whisper, tiny_llama, monkeypatch, training, view, speaker_range, size):
    module = module_of(tiny_whisper, tiny_llama, speaker_range=speaker_range)
    batch, calls = stored(module, size), spied(monkeypatch)
    module.view = view
    results = []
    for pools_first in (True, False):
        monkeypatch.setattr(AudioPath, "pools_first", pools_first)
        module.train(training)
        module.zero_grad()
        torch.manual_seed(7)
        loss = module.loss(batch)
        loss.backward()
        torch.manual_seed(7)
        embeddings, mask, _ = module._embeddings(batch)
        gradients = [p.grad.clone() for p in module.model.audio.parameters() if p.grad is not None]
        results.append((loss, embeddings, mask, *gradients))
    assert len(calls) == 2
    assert len(results[0]) > 6
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_what_was_heard_row_by_row_is_what_was_heard(tiny_whisper, tiny_llama):
    module = module_of(tiny_whisper, tiny_llama)
    batch, heard = stored(module), []
    module.eval()
    for listen in (module._embeddings, module.hidden_states):
        module.ranges.listen()
        listen(batch)
        heard.append(module.ranges.stop())
    assert set(heard[0]) == set(heard[1]) == {"c/0", "c/1"}
    for speaker, sums in heard[0].items():
        assert (sums.clips, sums.frames) == (heard[1][speaker].clips, heard[1][speaker].frames)
        torch.testing.assert_close(sums.total, heard[1][speaker].total)


def test_training_computes_the_statistics_of_an_utterance_in_one_range_once(tiny_whisper, tiny_llama, monkeypatch):
    module = module_of(tiny_whisper, tiny_llama, speaker_range={"own": 0.5, "borrowed": 0.0})
    batch, real, calls = stored(module), AudioPath.statistics, []
    monkeypatch.setattr(AudioPath, "statistics", lambda self, *given: (calls.append(1), real(self, *given))[1])

    def embed(seed):
        calls.clear()
        torch.manual_seed(seed)
        return module._embeddings(batch)[0], len(calls)

    module.train()
    first, computed = embed(0)
    assert computed == 5
    again, computed = embed(0)
    assert computed == 0
    torch.testing.assert_close(again, first, atol=0, rtol=0)
    for seed in range(1, 20):
        embed(seed)
    assert len(module.known_statistics) == 10, "each in two ranges"
    module.ranges.use({})
    assert embed(0)[1] == 5, "ranges have changed"
    module.eval()
    before = len(module.known_statistics)
    embed(0)
    assert len(calls) == 5, "what is measured is not kept"
    assert len(module.known_statistics) == before
    module.known_statistics.forget()
    assert len(module.known_statistics) == 0


def test_at_another_speed_it_is_another_utterance(tiny_whisper, tiny_llama):
    module = module_of(tiny_whisper, tiny_llama, speaker_range=None)
    batch = stored(module)
    module.train()
    for speed, kept in ((1.0, 5), (0.9, 10), (1.0, 10)):
        module._embeddings(replace(batch, utterances=[replace(row, speed=speed) for row in batch.utterances]))
        assert len(module.known_statistics) == kept


def test_a_memory_keeps_what_it_has_room_for():
    memory, made = Memory(room=8), []

    def make():
        made.append(torch.zeros(1))
        return made[-1]

    assert memory.of("a", make) is memory.of("a", make)
    memory.of("b", make)
    for _ in range(2):
        memory.of("c", make)
    assert (len(memory), len(made)) == (2, 4)


class Louder(StatisticsInterface):
    """One that does more than its parent."""

    def embed(self, features, mask):
        return super().embed(2 * features, mask)


@pytest.mark.parametrize("why", ["mix", "interface", "subclass", "fresh", "augmented"])
def test_everything_else_goes_by_batch(tiny_whisper, tiny_llama, monkeypatch, why):
    changes = {
        "mix": {"layers": "mix"},
        "subclass": {"interface": {"class_path": f"{__name__}.Louder"}},
        "interface": {"interface": {"class_path": "emollm.models.interfaces.MLPInterface"}},
    }
    module = module_of(tiny_whisper, tiny_llama, **changes.get(why, {}))
    hear_row = type(module).hidden_state_of
    batch, calls = make_batch(5) if why == "fresh" else stored(module), []
    monkeypatch.setattr(type(module), "hidden_state_of", lambda *given: (calls.append(1), hear_row(*given))[1])
    if why == "augmented":
        monkeypatch.setattr(type(module), "augmentation", Augmentation(time_masks=1))
    module._embeddings(batch)
    assert not calls

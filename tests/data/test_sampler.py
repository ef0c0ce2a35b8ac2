"""Which utterances make a batch, in which order, and which process takes it."""

from collections import Counter

import numpy as np
import pytest
import soundfile

from emollm.data.loaders import lengths_of
from emollm.data.sampler import (
    EpochSampler,
    OrderedSampler,
    in_batches,
    in_batches_of_tokens,
    usual_batch_size,
)
from emollm.data.sounds import SoundIndex
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

LENGTHS = [float((7 * index) % 20) for index in range(20)]


def epoch(number=0, size=20, batch_size=1, **options):
    sampler = EpochSampler(size, batch_size, **options)
    sampler.set_epoch(number)
    return list(sampler)


def indices(batches):
    return [index for batch in batches for _, index in batch]


def lengths(part):
    return [LENGTHS[index] for index in part]


def padding(batches):
    return sum(max(lengths(batch)) * len(batch) - sum(lengths(batch)) for batch in batches)


def test_the_order_is_a_function_of_seed_and_epoch():
    assert epoch(3, seed=1) == epoch(3, seed=1)
    assert epoch(3, seed=1) != epoch(3, seed=2)
    assert indices(epoch(3)) != indices(epoch(4))
    assert sorted(indices(epoch(3))) == list(range(20))
    assert {number for batch in epoch(3) for number, _ in batch} == {3}


@pytest.mark.parametrize("options", [{}, {"lengths": LENGTHS}])
def test_a_resumed_run_goes_on_within_the_epoch_and_the_next_one_is_whole(options):
    whole = {number: epoch(number, batch_size=3, **options) for number in (2, 3)}
    sampler = EpochSampler(20, 3, place=lambda: (2, 4), **options)
    sampler.set_epoch(2)
    assert list(sampler) == whole[2][4:]
    sampler.set_epoch(3)
    assert list(sampler) == whole[3]


def test_the_place_is_asked_for_when_the_epoch_begins():
    asked = []
    sampler = EpochSampler(20, 2, place=lambda: asked.append(1) or (0, 0))
    len(sampler)
    assert asked == []
    list(sampler)
    list(sampler)
    assert asked == [1]


@pytest.mark.parametrize(("size", "world"), [(20, 3), (20, 4), (7, 2), (13, 2)])
@pytest.mark.parametrize("bucket", [False, True])
def test_processes_share_an_epoch_equally_and_without_overlap(size, world, bucket):
    options = {"size": size, "batch_size": 2, "lengths": LENGTHS[:size] if bucket else None}
    shares = [epoch(rank=rank, world_size=world, **options) for rank in range(world)]
    for share in shares:
        assert [len(batch) for batch in share] == [len(batch) for batch in shares[0]]
        assert len(indices(share)) == size // world
        assert len(share) == len(EpochSampler(size, 2, world_size=world))
    assert len({index for share in shares for index in indices(share)}) == world * (size // world)


@pytest.mark.parametrize("options", [{}, {"lengths": LENGTHS}])
def test_batches_of_all_processes_are_those_of_one(options):
    """So that DDP, which takes the mean of the processes' gradients, takes the same steps."""
    one = epoch(1, batch_size=4, **options)
    two = [epoch(1, batch_size=2, rank=rank, world_size=2, **options) for rank in (0, 1)]
    assert [sorted(batch) for batch in one] == [sorted(a + b) for a, b in zip(*two, strict=True)]


def test_more_processes_than_utterances_are_refused():
    with pytest.raises(UserError, match="3 training utterances are too few for 4 processes"):
        EpochSampler(3, 1, world_size=4)


def test_weights_balance_labels():
    labels = ["angry"] * 90 + ["sad"] * 10
    weights = [1 / labels.count(label) for label in labels]
    counts = Counter()
    for number in range(20):
        counts.update(labels[index] for index in indices(epoch(number, size=100, weights=weights)))
    assert counts["sad"] / counts.total() == pytest.approx(0.5, abs=0.05)


def test_batches_are_of_about_one_length_and_come_in_random_order():
    sorted_out = epoch(batch_size=3, lengths=LENGTHS)
    assert sorted(indices(sorted_out)) == list(range(20))
    batches = [[index for _, index in batch] for batch in sorted_out]
    plain = [[index for _, index in batch] for batch in epoch(batch_size=3)]
    assert padding(batches) < 0.5 * padding(plain)
    assert epoch(1, batch_size=3, lengths=LENGTHS) != sorted_out
    first = [LENGTHS[batch[0]] for batch in batches[:-1]]
    assert first != sorted(first)


def test_an_unfilled_batch_comes_last():
    for number in range(5):
        sizes = [len(batch) for batch in epoch(number, batch_size=3, lengths=LENGTHS)]
        assert sizes == [3] * 6 + [2]


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("size", [0, 1, 4, 20])
def test_evaluation_sees_every_utterance_once_in_as_many_batches_everywhere(size, world):
    samplers = [OrderedSampler(size, 3, lengths, rank, world) for rank in range(world)]
    shares = [list(sampler) for sampler in samplers]
    assert {len(share) for share in shares} == {len(samplers[0])}
    assert sorted(index for share in shares for batch in share for index in batch) == list(range(size))
    alone = list(OrderedSampler(size, 3, lengths))
    dealt = [batch for batches in zip(*shares, strict=True) for batch in batches]
    assert dealt[: len(alone)] == alone, "the batches of one process, dealt out in turn"
    assert not any(dealt[len(alone) :])


def test_lengths_are_asked_for_window_by_window():
    asked = []
    batches = in_batches(range(20), 2, lambda part: asked.append(len(part)) or lengths(part), window=2)
    assert next(batches)
    assert asked == [4]
    assert len(list(batches)) == 9
    assert asked == [4] * 5


def test_buckets_keep_neighbours_within_a_window():
    batches = list(in_batches(range(20), 2, lengths, window=2))
    assert [sorted(batches[n] + batches[n + 1]) for n in (0, 2)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert list(in_batches(range(5), 2)) == [[0, 1], [2, 3], [4]]


def test_a_gpu_is_given_more_at_a_time():
    assert [usual_batch_size(device) for device in ("cpu", "mps", "cuda")] == [8, 8, 32]


TOKENS = [float(1 + (7 * index) % 60) for index in range(100)]


def tokens_of(part):
    return [TOKENS[index] for index in part]


def padded(batch):
    return max(tokens_of(batch)) * len(batch)


def test_a_batch_of_tokens_holds_many_short_utterances_or_a_few_long_ones():
    batches = in_batches_of_tokens(range(100), tokens_of, 120)
    assert sorted(index for batch in batches for index in batch) == list(range(100))
    assert max(padded(batch) for batch in batches) <= 120
    assert len(batches[0]) > 10
    assert len(batches[-1]) <= 2
    used = sum(TOKENS) / sum(padded(batch) for batch in batches)
    assert used > 0.9, "hardly any padding"


def test_a_longer_utterance_than_a_batch_has_one_of_its_own():
    assert [len(batch) for batch in in_batches_of_tokens(range(100), tokens_of, 1)] == [1] * 100


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("weights", [None, [1 + index % 3 for index in range(100)]])
def test_an_epoch_of_tokens_is_shared_equally_and_is_as_long_as_any_other(world, weights):
    options = {"size": 100, "lengths": TOKENS, "tokens": 120, "weights": weights, "world_size": world}
    for number in range(4):
        shares = [epoch(number, rank=rank, **options) for rank in range(world)]
        assert {len(share) for share in shares} == {len(EpochSampler(batch_size=1, **options))}
        assert len({tuple(len(batch) for batch in share) for share in shares}) == 1
        assert max(padded([index for _, index in batch]) for share in shares for batch in share) <= 120
        if weights is None:
            seen = [index for share in shares for index in indices(share)]
            assert len(seen) == len(set(seen)) == 100 - 100 % world
    assert epoch(0, **options) != epoch(1, **options)


def test_a_resumed_run_goes_on_within_an_epoch_of_tokens():
    options = {"size": 100, "lengths": TOKENS, "tokens": 120, "weights": [1 + index % 3 for index in range(100)]}
    sampler = EpochSampler(batch_size=1, place=lambda: (2, 4), **options)
    sampler.set_epoch(2)
    assert list(sampler) == epoch(2, **options)[4:]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_evaluation_by_tokens_sees_every_utterance_once_in_as_many_batches_everywhere(world):
    samplers = [OrderedSampler(100, 8, tokens_of, rank, world, tokens=120) for rank in range(world)]
    shares = [list(sampler) for sampler in samplers]
    assert {len(share) for share in shares} == {len(samplers[0])}
    assert sorted(index for share in shares for batch in share for index in batch) == list(range(100))
    assert max(padded(batch) for share in shares for batch in share if batch) <= 120


def test_lengths_count_the_prompt_the_speed_and_what_is_padded(tmp_path):
    for name, seconds in {"a": 0.5, "b": 0.8}.items():
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(int(16_000 * seconds)), 16_000)
    first = Utterance(id="a", path=tmp_path / "a.wav", transcript="four")
    rows = UtteranceTable([first, Utterance(id="b", path=tmp_path / "b.wav", speed=2.0)])
    index = SoundIndex()
    assert lengths_of(rows, True, index)([0, 1]) == pytest.approx([6.0, 4.0])
    assert lengths_of(rows, True, index, letters=40)([0, 1]) == pytest.approx([16.0, 14.0])
    assert lengths_of(rows, True, index, window=3.0)([0, 1]) == pytest.approx([31.0, 30.0])
    assert lengths_of(rows, False, index, letters=40)([0, 1]) == pytest.approx([11.0, 10.0])


@pytest.mark.parametrize("options", [{}, {"tokens": 60}])
def test_what_is_left_out_of_an_epoch_is_not_always_the_same(options):
    """Two processes share 15 utterances: one is left out, and not always the longest."""
    seen = Counter()
    for number in range(40):
        for rank in (0, 1):
            seen.update(indices(epoch(number, 15, 2, lengths=TOKENS[:15], rank=rank, world_size=2, **options)))
    assert set(seen) == set(range(15))
    assert max(seen.values()) <= 40


def test_an_epoch_of_tokens_drawn_by_weights_has_about_as_many_utterances_as_the_table():
    sizes = [10.0] * 500 + [200.0] * 500
    options = {"size": 1000, "lengths": sizes, "weights": [1.0] * 500 + [0.1] * 500, "tokens": 1000}
    for number in range(3):
        assert 900 < len(indices(epoch(number, **options))) < 1100

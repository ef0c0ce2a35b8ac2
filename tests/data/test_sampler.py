"""The order of training."""

from collections import Counter

import pytest

from emollm.data.sampler import EpochSampler, bucketed


def order(epoch=0, **options):
    sampler = EpochSampler(20, **options)
    sampler.set_epoch(epoch)
    return list(sampler)


def indices(places):
    return [index for _, index in places]


def test_the_order_is_a_function_of_seed_and_epoch():
    assert order(3, seed=1) == order(3, seed=1)
    assert order(3, seed=1) != order(3, seed=2)
    assert indices(order(3)) != indices(order(4))
    assert sorted(indices(order(3))) == list(range(20))
    assert {epoch for epoch, _ in order(3)} == {3}


def test_a_resumed_run_goes_on_within_the_epoch_and_the_next_one_is_whole():
    whole = {epoch: order(epoch) for epoch in (2, 3)}
    sampler = EpochSampler(20, place=lambda: (2, 12))
    sampler.set_epoch(2)
    assert list(sampler) == whole[2][12:]
    sampler.set_epoch(3)
    assert list(sampler) == whole[3]


def test_the_place_is_asked_for_when_the_epoch_begins():
    asked = []
    sampler = EpochSampler(20, place=lambda: asked.append(1) or (0, 0))
    len(sampler)
    assert asked == []
    list(sampler)
    list(sampler)
    assert asked == [1]


@pytest.mark.parametrize(("size", "world"), [(20, 3), (20, 4), (7, 2)])
def test_processes_share_an_epoch_equally_and_without_overlap(size, world):
    shares = [list(EpochSampler(size, rank=rank, world_size=world)) for rank in range(world)]
    assert {len(share) for share in shares} == {size // world}
    assert len({index for share in shares for _, index in share}) == world * (size // world)
    assert len(EpochSampler(size, rank=0, world_size=world)) == size // world


def test_weights_balance_labels():
    labels = ["angry"] * 90 + ["sad"] * 10
    weights = [1 / labels.count(label) for label in labels]
    counts = Counter()
    for epoch in range(20):
        sampler = EpochSampler(100, weights=weights)
        sampler.set_epoch(epoch)
        counts.update(labels[index] for _, index in sampler)
    assert counts["sad"] / counts.total() == pytest.approx(0.5, abs=0.05)


LENGTHS = [float((7 * index) % 20) for index in range(20)]


def padding(order, size):
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    return sum(max(LENGTHS[i] for i in batch) * len(batch) - sum(LENGTHS[i] for i in batch) for batch in batches)


def test_batches_are_of_about_one_length_and_come_in_random_order():
    sorted_out = indices(order(lengths=LENGTHS, batch_size=3))
    assert sorted(sorted_out) == list(range(20))
    assert padding(sorted_out, 3) < 0.5 * padding(indices(order()), 3)
    assert indices(order(1, lengths=LENGTHS, batch_size=3)) != sorted_out
    first = [sorted_out[start] for start in range(0, 18, 3)]
    assert [LENGTHS[i] for i in first] != sorted(LENGTHS[i] for i in first)


def test_an_unfilled_batch_stays_the_last_one():
    for epoch in range(5):
        places = indices(order(epoch, lengths=LENGTHS, batch_size=3))
        for start in range(0, 18, 3):
            batch = [LENGTHS[i] for i in places[start : start + 3]]
            assert max(batch) - min(batch) <= 3


def test_a_resumed_epoch_keeps_its_batches():
    whole = order(2, lengths=LENGTHS, batch_size=3)
    sampler = EpochSampler(20, place=lambda: (2, 6), lengths=LENGTHS, batch_size=3)
    sampler.set_epoch(2)
    assert list(sampler) == whole[6:]


def test_processes_share_batches_of_one_length():
    shares = [indices(order(lengths=LENGTHS, batch_size=2, rank=rank, world_size=2)) for rank in (0, 1)]
    assert len({*shares[0], *shares[1]}) == 20
    for start in range(0, 10, 2):
        both = [LENGTHS[i] for share in shares for i in share[start : start + 2]]
        assert max(both) - min(both) <= 4


def test_buckets_keep_neighbours_within_a_window():
    batches = bucketed(range(20), LENGTHS, 2, window=2)
    assert [sorted(index for batch in batches[n : n + 2] for index in batch) for n in (0, 2)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
    ]

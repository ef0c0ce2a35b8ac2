"""The order of training."""

from collections import Counter

import pytest

from emollm.data.sampler import EpochSampler


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

"""Ranges of speakers against the definition, and what becomes of a channel that a speaker shifts."""

import pytest
import torch

from emollm.models.ranges import SpeakerRanges, Sums


def frames(seed, batch=1, time=7, shift=0.0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return shift + scale * torch.randn(batch, 2, time, 3, generator=generator)


def full(hidden):
    return torch.ones(hidden.shape[0], hidden.shape[2], dtype=torch.bool)


def heard(ranges, clips):
    """Sums of some clips, each of one speaker, heard one after the other."""
    ranges.listen()
    for speaker, hidden in clips:
        ranges(hidden, full(hidden), [speaker], [None])
    return ranges.stop()


@pytest.fixture
def ranges():
    """Of two speakers, one of whom is louder and higher."""
    ranges = SpeakerRanges(2, 3, shrinkage=0.0)
    clips = [("a", frames(i)) for i in range(4)] + [("b", frames(9 + i, shift=5.0, scale=3.0)) for i in range(4)]
    sums = heard(ranges, clips)
    ranges.learn(sums.values())
    ranges.use(sums)
    return ranges


def test_ranges_are_mean_and_deviation_over_all_real_frames():
    ranges = SpeakerRanges(2, 3, shrinkage=0.0)
    one, other = frames(0, time=5), frames(1, time=9, shift=2.0)
    padded = torch.nn.functional.pad(one, (0, 0, 0, 4), value=99.0)
    mask = torch.arange(9)[None] < torch.tensor([[5], [9]])
    ranges.listen()
    ranges(torch.cat([padded, other]), mask, ["a", "a"], [None, None])
    (sums,) = ranges.stop().values()
    assert (sums.clips, sums.frames) == (2, 14)
    mean, deviation = sums.range()
    together = torch.cat([one, other], dim=2)[0]
    torch.testing.assert_close(mean, together.mean(1))
    torch.testing.assert_close(deviation, together.std(1, correction=0))


def test_ranges_follow_the_module_to_another_device(ranges):
    """Between two passes Lightning takes the module to the CPU, where ranges are set, and back to the GPU."""
    ranges.to("meta")
    hidden = frames(3).to("meta")
    for speaker in ("a", "nobody", None):
        assert ranges(hidden, full(hidden), [speaker], [None]).device.type == "meta"


def test_ones_own_range_takes_out_what_is_ones_own(ranges):
    """The same sound from two speakers, one of whom shifts and stretches every channel, is the same."""
    said = [frames(20 + i, time=50) for i in range(30)]
    sums = heard(ranges, [("a", x) for x in said] + [("b", 4.0 + 2.5 * x) for x in said])
    ranges.use(sums)
    mine = ranges(said[0], full(said[0]), ["a"], [None])
    theirs = ranges(4.0 + 2.5 * said[0], full(said[0]), ["b"], [None])
    torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
    plain = [ranges(x, full(x), [None], [None]) for x in (said[0], 4.0 + 2.5 * said[0])]
    assert not torch.allclose(*plain, atol=0.5)


def test_a_borrowed_range_is_that_of_the_other(ranges):
    """As if b had said it: in the range of all speakers it is where b's frames are, not where a's are."""
    hidden = frames(3, time=200)
    borrowed = ranges(hidden, full(hidden), ["a"], ["b"])
    own, plain = ranges(hidden, full(hidden), ["a"], [None]), ranges(hidden, full(hidden), [None], [None])
    mean, deviation = ranges._own["b"]
    want = (own * deviation[:, None] + mean[:, None] - ranges.mean[:, None]) / ranges.deviation[:, None]
    torch.testing.assert_close(borrowed, want)
    assert borrowed.mean() > plain.mean() + 0.5
    back = ranges(hidden, full(hidden), ["a"], ["a"])
    torch.testing.assert_close(back, plain, atol=1e-4, rtol=1e-4)


def test_who_is_not_known_is_taken_as_his_corpus(ranges):
    hidden = frames(5)
    sums = heard(ranges, [("x/a", frames(0)), ("x/b", frames(1, shift=3.0))])
    ranges.use({"x/a": sums["x/a"]}, {"x": sums["x/a"] + sums["x/b"]})
    mean, deviation = (sums["x/a"] + sums["x/b"]).range()
    want = (hidden - mean[:, None]) / deviation[:, None]
    torch.testing.assert_close(ranges(hidden, full(hidden), ["x/stranger"], [None]), want)
    assert not torch.allclose(ranges(hidden, full(hidden), ["x/a"], [None]), want)
    plain = ranges(hidden, full(hidden), [None], [None])
    assert torch.equal(ranges(hidden, full(hidden), ["y/a"], [None]), plain)


def test_who_is_of_no_known_corpus_is_taken_as_all(ranges):
    hidden = frames(5)
    plain = ranges(hidden, full(hidden), [None], [None])
    assert torch.equal(ranges(hidden, full(hidden), ["stranger"], [None]), plain)
    assert not torch.allclose(ranges(hidden, full(hidden), ["b"], [None]), plain)


def test_little_speech_shrinks_to_all(ranges):
    steady = SpeakerRanges(2, 3, shrinkage=1e9)
    steady.learn(heard(ranges, [("a", frames(0)), ("b", frames(1, shift=3.0))]).values())
    steady.use(heard(ranges, [("b", frames(1, shift=3.0))]))
    hidden = frames(2)
    plain = steady(hidden, full(hidden), [None], [None])
    torch.testing.assert_close(steady(hidden, full(hidden), ["b"], [None]), plain, atol=1e-4, rtol=1e-4)


def test_a_channel_that_never_changes_is_not_made_loud():
    ranges = SpeakerRanges(2, 3, shrinkage=0.0)
    still = torch.ones(1, 2, 7, 3)
    sums = heard(ranges, [("a", still)])
    ranges.learn(sums.values())
    assert ranges(still + 1e-6, full(still), [None], [None]).abs().max() < 0.01


def test_the_shift_is_in_deviations_of_all_training_speakers():
    ranges = SpeakerRanges(2, 3, shrinkage=0)
    ranges.mean.fill_(1.0)
    ranges.deviation.fill_(2.0)
    assert ranges.shift(Sums(1, 4, torch.full((2, 3), 4.0), torch.full((2, 3), 8.0))) == 0
    assert ranges.shift(Sums(1, 4, torch.full((2, 3), 16.0), torch.full((2, 3), 80.0))) == pytest.approx(1.5)

"""Every figure against scikit-learn, or against a second way to compute it where scikit-learn has none."""

import json
import os
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as sk

from emollm.errors import UserError
from emollm.metrics import EmotionMetrics, ccc, from_predictions, measure

LABELS = ["angry", "happy", "neutral", "sad", "fearful"]
K = len(LABELS)


def random_case(n, targets=range(K), answers=range(K), unparsed=0.0, seed=0):
    """Probabilities, targets and answers in which some labels may never occur."""
    rng = np.random.default_rng(seed)
    probabilities = torch.tensor(rng.dirichlet(np.full(K, 0.5), size=n), dtype=torch.float32)
    predictions = torch.tensor(rng.choice(list(answers), size=n))
    predictions[torch.tensor(rng.random(n) < unparsed)] = -1
    return probabilities, torch.tensor(rng.choice(list(targets), size=n)), predictions


CASES = {
    "all labels": random_case(400),
    "unparsed answers": random_case(400, unparsed=0.2, seed=1),
    "labels absent from the targets": random_case(200, targets=[0, 3], seed=2),
    "labels absent from the answers": random_case(200, answers=[1, 2], seed=3),
    "both, and unparsed": random_case(200, targets=[0, 1, 2], answers=[2, 3], unparsed=0.3, seed=4),
    "one label only": random_case(50, targets=[2], answers=[2], seed=5),
    "nothing right": random_case(50, targets=[2], answers=[4], seed=6),
    "nothing parsed": random_case(20, unparsed=1.1, seed=7),
    "one utterance": random_case(1, seed=8),
    "one unparsed utterance": random_case(1, unparsed=1.1, seed=9),
}


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def case(request):
    return request.param


def close(value):
    return pytest.approx(value, abs=1e-6)


@pytest.mark.filterwarnings("ignore::UserWarning")  # scikit-learn on answers that no target has
def test_answers_agree_with_scikit_learn(case):
    probabilities, targets, predictions = case
    result = measure(probabilities, targets, predictions, LABELS)
    y, p = targets.numpy(), predictions.numpy()
    assert result.n == len(y)
    assert result.wa == close(sk.accuracy_score(y, p))
    assert result.ua == close(sk.balanced_accuracy_score(y, p))
    present = sorted(({*y.tolist()} | {*p.tolist()}) - {-1})
    for average, ours in (("macro", result.macro_f1), ("weighted", result.weighted_f1)):
        assert ours == close(sk.f1_score(y, p, labels=present, average=average, zero_division=0))
    each = sk.precision_recall_fscore_support(y, p, labels=range(K), zero_division=0)
    for k, label in enumerate(LABELS):
        ours = result.per_class[label]
        assert (ours.precision, ours.recall, ours.f1, ours.support) == close(tuple(x[k] for x in each))
    columns = np.where(p < 0, K, p)
    want = sk.confusion_matrix(y, columns, labels=range(K + 1))[:K]
    assert result.confusion == (want if (p < 0).any() else want[:, :K]).tolist()
    assert result.unparsed == close((p < 0).mean())


def test_probabilities_agree_with_scikit_learn(case):
    probabilities, targets, predictions = case
    result = measure(probabilities, targets, predictions, LABELS)
    y, values = targets.numpy(), probabilities.numpy()
    assert result.nll == close(sk.log_loss(y, values.astype(float), labels=range(K)))
    each = [sk.brier_score_loss(y == k, values[:, k].clip(0, 1), pos_label=True) for k in range(K)]
    assert result.brier == close(sum(each))
    assert result.ece == close(expected_calibration_error(probabilities.double().numpy(), targets.numpy()))


def expected_calibration_error(probabilities, targets, bins=15):
    """By its definition (Guo et al. 2017, section 2), bin after bin; bins hold their lower edge, the last both."""
    top, right = probabilities.max(1), probabilities.argmax(1) == targets
    place, error = np.floor(top * bins).clip(max=bins - 1), 0.0
    for b in np.unique(place):
        inside = place == b
        error += inside.mean() * abs(right[inside].mean() - top[inside].mean())
    return error


def test_a_hand_made_case():
    probabilities = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [1.0, 0.0]])
    result = measure(probabilities, torch.tensor([0, 1, 1, 1]), torch.tensor([0, 0, 1, -1]), ["no", "yes"])
    assert (result.wa, result.ua, result.unparsed) == close((0.5, (1 + 1 / 3) / 2, 0.25))
    assert result.confusion == [[1, 0, 0], [1, 1, 1]]
    assert result.brier == close((2 * 0.1**2 + 2 * 0.6**2 + 2 * 0.2**2 + 2) / 4)
    eps = 2**-52
    assert result.nll == close(-np.log([0.9, 0.4, 0.8, eps]).mean())
    assert result.ece == close((0.1 + 0.6 + 0.2 + 1.0) / 4)


def test_batches_and_corpora_in_any_order_give_the_same():
    probabilities, targets, predictions = CASES["unparsed answers"]
    corpora = ["emodb" if i % 3 else "ravdess" for i in range(len(targets))]
    whole, batches = EmotionMetrics(LABELS), EmotionMetrics(LABELS)
    whole.update(probabilities, targets, corpora, predictions)
    for part in torch.randperm(len(targets), generator=torch.manual_seed(0)).split(37):
        names = [corpora[i] for i in part]
        batches.update(probabilities[part], targets[part], names, predictions[part])
    a, b = whole.compute(), batches.compute()
    assert a.overall.confusion == b.overall.confusion
    assert (a.overall.wa, a.overall.ece, a.overall.nll) == close((b.overall.wa, b.overall.ece, b.overall.nll))
    assert list(a.corpora) == ["emodb", "ravdess"]
    mine = torch.tensor([name == "emodb" for name in corpora])
    alone = measure(probabilities[mine], targets[mine], predictions[mine], LABELS)
    assert a.corpora["emodb"] == alone
    assert sum(part.n for part in a.corpora.values()) == a.overall.n


def test_an_utterance_without_corpus_counts_overall_only():
    probabilities, targets, _ = random_case(4)
    metric = EmotionMetrics(LABELS)
    metric.update(probabilities, targets, ["", "", "Straße", "Straße"])
    results = metric.compute()
    assert results.overall.n == 4
    assert {name: part.n for name, part in results.corpora.items()} == {"Straße": 2}
    assert results.overall.unparsed == 0, "the most probable label is the answer"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_types_are_cast(dtype):
    probabilities, targets, predictions = random_case(300)
    metric = EmotionMetrics(LABELS)
    metric.update(probabilities.to(dtype), targets, ["x"] * 300, predictions)
    got, want = metric.compute().overall, measure(probabilities, targets, predictions, LABELS)
    assert got.wa == want.wa
    assert got.brier == pytest.approx(want.brier, abs=5e-3)
    assert metric.probabilities[0].dtype == torch.float32


def test_probabilities_a_rounding_error_above_one_stay_probabilities():
    over = torch.tensor([[1.0000001, 0, 0, 0, 0]])
    assert measure(over, torch.tensor([0]), torch.tensor([0]), LABELS).ece == close(0)


def test_reset_forgets_and_nothing_goes_into_a_checkpoint():
    metric = EmotionMetrics(LABELS)
    metric.update(*random_case(9)[:2], ["x"] * 9)
    assert metric.state_dict() == {}
    metric.reset()
    metric.update(*random_case(2)[:2], ["y"] * 2)
    results = metric.compute()
    assert results.overall.n == 2
    assert list(results.corpora) == ["y"]
    assert pickle.loads(pickle.dumps(metric)).compute().overall == results.overall


def test_to_dict_is_json(case):
    metric = EmotionMetrics(LABELS)
    metric.update(case[0], case[1], ["x"] * len(case[1]), case[2])
    values = json.loads(json.dumps(metric.compute().to_dict(), allow_nan=False))
    assert values["overall"]["n"] == len(case[1])
    assert values["corpora"]["x"]["confusion"] == values["overall"]["confusion"]


def test_bad_batches_are_refused():
    metric, (probabilities, targets, predictions) = EmotionMetrics(LABELS), random_case(3)
    with pytest.raises(ValueError, match="corpora"):
        metric.update(probabilities, targets, ["x"])
    with pytest.raises(ValueError, match="outside the 5 labels"):
        metric.update(probabilities, targets + 9, ["x"] * 3)
    with pytest.raises(ValueError, match="outside the 5 labels"):
        metric.update(probabilities, targets, ["x"] * 3, predictions - 9)
    for bad in (probabilities * float("nan"), probabilities * 2, probabilities.log()):
        with pytest.raises(UserError, match="3 of 3 utterances .* diverged"):
            metric.update(bad, targets, ["x"] * 3)
    with pytest.raises(UserError, match="too long"):
        metric.update(probabilities, targets, ["x" * 299] * 3)
    with pytest.raises(UserError, match="two labels"):
        EmotionMetrics(["angry"])


def test_ccc_by_its_definition():
    rng = np.random.default_rng(0)
    x = rng.normal(size=50)
    y = 0.7 * x + rng.normal(scale=0.3, size=50) + 0.2
    covariance = np.cov(x, y)
    want = 2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + (x.mean() - y.mean()) ** 2)
    assert ccc(torch.tensor(x), torch.tensor(y)) == close(want)
    assert ccc(torch.tensor(x), torch.tensor(x)) == close(1)
    with pytest.raises(ValueError, match="at least two"):
        ccc(torch.tensor([1.0]), torch.tensor([1.0]))


def stored(tmp_path, case, kind="csv"):
    """A predictions file as emollm test writes it, with a broken and an unlabelled recording."""
    probabilities, targets, predictions = case
    rows = [
        {
            "path": f"{i}.wav",
            "label": LABELS[p] if p >= 0 else None,
            **{f"p_{label}": round(v, 6) for label, v in zip(LABELS, values, strict=True)},
            "transcript": "null",
            "error": None,
            "target": LABELS[t],
            "corpus": "emodb" if i % 2 else "ravdess",
        }
        for i, (values, t, p) in enumerate(
            zip(probabilities.tolist(), targets.tolist(), predictions.tolist(), strict=True)
        )
    ]
    rows.append({"path": "broken.wav", "target": "angry", "corpus": "emodb", "error": "no sound"})
    rows.append({**rows[0], "target": None})
    file = tmp_path / f"predictions.{kind}"
    frame = pd.DataFrame(rows)
    frame.to_csv(file, index=False) if kind == "csv" else frame.to_json(file, orient="records", lines=True)
    return file


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_stored_predictions_regenerate_the_numbers(tmp_path, kind):
    case = CASES["unparsed answers"]
    metric = EmotionMetrics(LABELS)
    metric.update(case[0], case[1], ["emodb" if i % 2 else "ravdess" for i in range(400)], case[2])
    want, got = metric.compute(), from_predictions(stored(tmp_path, case, kind))
    assert got.labels == LABELS
    assert list(got.corpora) == list(want.corpora)
    for name, part in {"": want.overall, **want.corpora}.items():
        mine = got.corpora[name] if name else got.overall
        assert mine.confusion == part.confusion
        assert (mine.ua, mine.macro_f1, mine.unparsed) == (part.ua, part.macro_f1, part.unparsed)
        assert (mine.ece, mine.brier) == pytest.approx((part.ece, part.brier), abs=1e-5)
        assert mine.nll == pytest.approx(part.nll, abs=1e-2), "small probabilities were rounded to six digits"


def test_stored_predictions_that_cannot_be_measured(tmp_path):
    frame = pd.read_csv(stored(tmp_path, CASES["all labels"]))
    with pytest.raises(UserError, match="no file"):
        from_predictions(tmp_path / "none.csv")
    with pytest.raises(UserError, match="no column 'target'"):
        from_predictions(frame.drop(columns="target"))
    with pytest.raises(UserError, match="'angry' is not one of the labels"):
        from_predictions(frame, LABELS[1:])
    with pytest.raises(UserError, match="no row"):
        from_predictions(frame.assign(target=None))


def _one_process(rank, folder, labels):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    probabilities, targets, predictions = random_case(9, unparsed=0.2, seed=1)
    mine = slice(0, 9) if rank == 0 else slice(0, 0)
    metric = EmotionMetrics(labels)
    metric.update(probabilities[mine], targets[mine], ["x", "y", "z"] * 3 if rank == 0 else [], predictions[mine])
    metric.update(probabilities[:2], targets[:2], ["z", "y"], predictions[:2])
    (folder / f"{rank}.json").write_text(json.dumps(metric.compute().to_dict()))
    torch.distributed.destroy_process_group()


def test_two_processes_measure_what_one_does(tmp_path):
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.multiprocessing.spawn(_one_process, (tmp_path, LABELS), nprocs=2)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert first == second
    probabilities, targets, predictions = random_case(9, unparsed=0.2, seed=1)
    metric = EmotionMetrics(LABELS)
    metric.update(probabilities, targets, ["x", "y", "z"] * 3, predictions)
    for _ in range(2):
        metric.update(probabilities[:2], targets[:2], ["z", "y"], predictions[:2])
    want = metric.compute().to_dict()
    assert first["overall"]["confusion"] == want["overall"]["confusion"]
    assert first["overall"]["nll"] == close(want["overall"]["nll"])
    assert {k: v["n"] for k, v in first["corpora"].items()} == {"x": 3, "y": 5, "z": 5}

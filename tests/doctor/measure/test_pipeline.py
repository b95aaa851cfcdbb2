"""From outputs to loss and skill: the usual criteria in the usual shapes, and the rows that go through together."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tenfold.doctor.measure.numbers.pipeline import pipeline_of, proper_loss, what_follows
from tenfold.doctor.measure.numbers.rows import RowBatch, distinct, join, probe_part, rows_of, splittable
from tenfold.doctor.measure.watching.watched import ObservedBatch

ROWS = 40


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def labels(count, seed=1):
    found = torch.randint(0, count, (ROWS,), generator=torch.Generator().manual_seed(seed))
    found[:count] = torch.arange(count)
    return found


def batch(output, target, scored=None):
    return ObservedBatch(
        0, (drawn(len(target), 3),), {}, output, output if scored is None else scored, target, None, True
    )


def one_hot(classes):
    return F.one_hot(labels(classes), classes).float()


TWO, PAIR = labels(2).float(), labels(2).float()[:, None]
ODD = torch.tensor([0.0, 1.0, 1.0, 4.0]).repeat(10)[:, None]
SIGMOID, SOFT, LOG = torch.sigmoid, partial(torch.softmax, dim=1), partial(torch.log_softmax, dim=1)
CASES = {  # name: (criterion, output, what is done to it, target, after, task, classes, cut)
    "bare classes": (nn.CrossEntropyLoss(), drawn(ROWS, 4), None, labels(4), "", "classes", 4, 0.5),
    "class odds": (nn.CrossEntropyLoss(), drawn(ROWS, 4), None, SOFT(drawn(ROWS, 4, seed=3)), "", "classes", 4, 0.5),
    "one-hot": (nn.CrossEntropyLoss(), drawn(ROWS, 4), None, one_hot(4), "", "classes", 4, 0.5),
    "two bare classes": (F.cross_entropy, drawn(ROWS, 2), None, labels(2), "", "classes", 2, 0.5),
    "softmax twice": (nn.CrossEntropyLoss(), drawn(ROWS, 4), SOFT, labels(4), "softmax", "classes", 4, 0.5),
    "log-odds": (nn.NLLLoss(), drawn(ROWS, 4), LOG, labels(4), "log_softmax", "classes", 4, 0.5),
    "log of odds": (F.nll_loss, SOFT(drawn(ROWS, 4)), torch.log, labels(4), "log", "classes", 4, 0.5),
    "log-odds of the model": (nn.NLLLoss(), LOG(drawn(ROWS, 4)), None, labels(4), "", "classes", 4, 0.5),
    "binary": (nn.BCELoss(), SIGMOID(drawn(ROWS, 1)), None, PAIR, "", "binary", 2, 0.5),
    "binary, squeezed": (nn.BCELoss(), SIGMOID(drawn(ROWS, 1)), torch.squeeze, TWO, "reshape", "binary", 2, 0.5),
    "binary, sigmoid behind": (F.binary_cross_entropy, drawn(ROWS, 1), SIGMOID, PAIR, "sigmoid", "binary", 2, 0.5),
    "binary, sigmoid and squeeze": (
        nn.BCELoss(),
        drawn(ROWS, 1),
        lambda z: SIGMOID(z).squeeze(1),
        TWO,
        "sigmoid",
        "binary",
        2,
        0.5,
    ),
    "binary logits": (nn.BCEWithLogitsLoss(), drawn(ROWS, 1), None, PAIR, "", "binary", 2, 0.0),
    "binary logits, squeezed": (
        nn.BCEWithLogitsLoss(),
        drawn(ROWS, 1),
        torch.squeeze,
        TWO,
        "reshape",
        "binary",
        2,
        0.0,
    ),
    "flat binary logits": (nn.BCEWithLogitsLoss(), drawn(ROWS), None, TWO, "", "binary", 2, 0.0),
    "one-hot logits": (nn.BCEWithLogitsLoss(), drawn(ROWS, 3), None, one_hot(3), "", "classes", 3, 0.0),
    "signs": (nn.SoftMarginLoss(), drawn(ROWS, 1), None, 2 * PAIR - 1, "", "binary", 2, 0.0),
    "signs, squared": (nn.MSELoss(), drawn(ROWS, 1), torch.tanh, 2 * PAIR - 1, "tanh", "binary", 2, 0.0),
    "margins": (nn.MultiMarginLoss(), drawn(ROWS, 5), None, labels(5), "", "classes", 5, 0.5),
    "squares on one-hot": (nn.MSELoss(), drawn(ROWS, 3), SOFT, one_hot(3), "softmax", "classes", 3, 0.5),
    "squares on class numbers": (nn.MSELoss(), drawn(ROWS, 1), None, labels(5).float()[:, None], "", "classes", 5, 2.0),
    "squares on two classes": (nn.MSELoss(), drawn(ROWS, 1), None, PAIR, "", "binary", 2, 0.5),
    "numbers": (nn.MSELoss(), drawn(ROWS, 1), None, drawn(ROWS, 1, seed=2), "", "numbers", 0, 0.0),
    "flat numbers": (nn.L1Loss(), drawn(ROWS, 1), torch.squeeze, drawn(ROWS, seed=2), "reshape", "numbers", 0, 0.0),
    "several numbers": (nn.HuberLoss(), drawn(ROWS, 3), None, drawn(ROWS, 3, seed=2), "", "numbers", 0, 0.0),
    "numbers with gaps": (nn.MSELoss(), drawn(ROWS, 1), None, ODD, "", "numbers", 0, 0.0),
    "maps of classes": (
        nn.CrossEntropyLoss(),
        drawn(ROWS, 3, 2, 2),
        None,
        labels(3)[:, None, None].expand(-1, 2, 2),
        "",
        "classes",
        3,
        0.5,
    ),
    "classes by time": (
        nn.CrossEntropyLoss(),
        drawn(ROWS, 5, 3),
        lambda z: z.transpose(1, 2),
        labels(3)[:, None].expand(-1, 5),
        "transpose",
        "classes",
        3,
        0.5,
    ),
    "the last time": (
        nn.CrossEntropyLoss(),
        drawn(ROWS, 5, 3),
        lambda z: z[:, -1],
        labels(3),
        "last",
        "classes",
        3,
        0.5,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_task_and_what_follows_the_model(name):
    criterion, output, then, target, after, task, classes, cut = CASES[name]
    scored = output if then is None else then(output)
    found = pipeline_of(criterion, [batch(output, target, scored)])
    assert found is not None
    assert (found.after, found.task, found.classes) == (after, task, classes)
    if task == "binary":
        assert found.cut == cut
    assert torch.allclose(found.scored(output), scored, atol=1e-7)
    assert float(found.loss(output, target)) == pytest.approx(float(criterion(scored, target)), rel=1e-6)


@pytest.mark.parametrize("name", [n for n in CASES if CASES[n][5] != "numbers"])
def test_skill_is_one_for_right_outputs_and_nothing_for_the_commonest_class(name):
    criterion, output, then, target, after, task, classes, _ = CASES[name]
    found = pipeline_of(criterion, [batch(output, target, output if then is None else then(output))])
    wanted = found.wanted(target)
    assert wanted.min() == 0
    assert wanted.max() == classes - 1
    if task == "binary":
        right = wanted.double().reshape(output.shape) * 4 - 2  # -2 or 2: far on the right side of every cut
    elif output[0].numel() == 1:
        right = wanted.double().reshape(output.shape)
    else:
        units = F.one_hot(wanted, classes).double() * 3 - 4
        right = units.movedim(-1, 1) if units.dim() > 2 and after != "transpose" else units
        right = right[:, None].expand(output.shape) if after == "last" else right
        right = right.exp() if after == "log" else right
    assert found.skill(right, target) == 1.0
    accuracy = float((found.predicted(output) == wanted).double().mean())
    chance = float(torch.bincount(wanted.flatten()).max()) / wanted.numel()
    assert found.skill(output, target) == pytest.approx((accuracy - chance) / (1 - chance), abs=1e-12)


def test_skill_of_numbers_is_r2_of_all_targets_together():
    from sklearn.metrics import r2_score

    output, target = drawn(ROWS, 3), drawn(ROWS, 3) + 0.5 * drawn(ROWS, 3, seed=2)
    found = pipeline_of(nn.MSELoss(), [batch(output, target)])
    total = target.var(0, correction=0)
    expected = sum(r2_score(target[:, i], output[:, i]) * float(total[i] / total.sum()) for i in range(3))
    assert found.skill(output, target) == pytest.approx(expected, abs=1e-6)
    assert found.skill(1000 * output, target) == -1.0
    assert found.skill(output * float("nan"), target) == -1.0
    assert found.skill(output, torch.ones(ROWS, 3)) is None


def test_flattened_sequences_are_scored_as_the_loop_did():
    output, target = drawn(8, 5, 3), torch.arange(40) % 3
    found = pipeline_of(nn.CrossEntropyLoss(), [batch(output, target, output.reshape(-1, 3))])
    assert (found.after, found.task, found.classes) == ("reshape", "classes", 3)
    assert found.loss(output, target) == F.cross_entropy(output.reshape(-1, 3), target)
    assert found.skill(10 * F.one_hot(target, 3).double().reshape(8, 5, 3), target) == 1.0
    assert found.scored(output[:2]).shape == (10, 3)


def test_a_loss_by_row_is_averaged_and_unknown_steps_are_said():
    output, target = drawn(ROWS, 4), labels(4)
    found = pipeline_of(nn.CrossEntropyLoss(reduction="none"), [batch(output, target)])
    assert float(found.loss(output, target)) == pytest.approx(float(F.cross_entropy(output, target)), rel=1e-6)
    assert what_follows(output, output**3 + 1) == "unknown"
    assert pipeline_of(None, [batch(output, target)]) is None
    assert pipeline_of(nn.MSELoss(), []) is None
    assert pipeline_of(nn.MSELoss(), [ObservedBatch(0, (), {}, output, None, target, None, True)]) is None


def test_the_proper_loss_of_a_task():
    output, target = drawn(ROWS, 4), labels(4)
    units, loss = proper_loss("classes", 4)
    assert units == 4
    assert torch.equal(loss(output, target), F.cross_entropy(output, target))
    _, loss = proper_loss("numbers", 0)
    wanted = drawn(ROWS, 1, seed=2).double()
    assert float(loss(output[:, 0], wanted)) == pytest.approx(float(((output[:, :1] - wanted) ** 2).mean()), rel=1e-6)


def some(count, start=0, columns=3):
    x = torch.arange(start, start + count).float()[:, None] + torch.arange(columns) / 10
    return RowBatch((x,), {}, x[:, 0].long())


def test_rows_join_and_are_taken_by_index():
    whole = join([some(4), some(3, 4)])
    assert whole.count == 7
    assert torch.equal(whole.target, torch.arange(7))
    part = whole.take(torch.tensor([5, 0]))
    assert torch.equal(part.inputs[0], some(7).inputs[0][[5, 0]])
    assert part.target.tolist() == [5, 0]
    named = RowBatch((), {"rows": drawn(4, 2), "flag": True}, torch.arange(4))
    two = join([named, named]).take(torch.tensor([1, 6]))
    assert torch.equal(two.keywords["rows"], named.keywords["rows"][[1, 2]])
    assert two.keywords["flag"] is True


def test_repeated_rows_are_found_whatever_their_order():
    rows = join([some(5), some(3), some(2, 4)])
    kept = distinct(rows)
    assert kept.target.tolist() == [0, 1, 2, 3, 4, 5]
    same_x = RowBatch((torch.ones(3, 2),), {}, torch.tensor([0, 1, 0]))
    assert distinct(same_x).target.tolist() == [0, 1]  # another target is another row
    bad = RowBatch((torch.tensor([[1.0, float("nan")], [1.0, float("nan")], [2.0, float("inf")]]),), {}, torch.zeros(3))
    assert distinct(bad).count == 2


def test_what_may_be_dealt_anew():
    assert splittable([some(4), some(3)])
    assert not splittable([some(4), some(4, columns=2)])
    assert not splittable([RowBatch((drawn(3, 4),), {}, torch.zeros(12))])  # rows and targets do not match
    assert not splittable([RowBatch((drawn(4, 2), [1, 2]), {}, torch.zeros(4))])
    assert not splittable([RowBatch((), {"flag": True}, torch.zeros(4))])


def test_only_the_first_floating_input_is_changed():
    rows = RowBatch((torch.arange(3), drawn(3, 2)), {"more": drawn(3, 2, seed=5)}, torch.zeros(3))
    changed = rows.with_first(lambda x: x * 0)
    assert torch.equal(changed.inputs[0], rows.inputs[0])
    assert not changed.inputs[1].any()
    assert torch.equal(changed.keywords["more"], rows.keywords["more"])
    named = RowBatch((torch.arange(3),), {"more": drawn(3, 2)}, torch.zeros(3)).with_first(lambda x: x * 0)
    assert not named.keywords["more"].any()


def test_a_probe_takes_as_many_rows_as_its_memory_allows():
    assert probe_part(some(10)).count == 10
    assert probe_part(some(10), most=4).count == 8
    assert probe_part(some(100), most=40).count == 40
    wide = RowBatch((torch.zeros(20, 400_000),), {}, torch.zeros(20))
    assert probe_part(wide).count == 8


def test_a_batch_without_inputs_or_rows_gives_none():
    assert rows_of(ObservedBatch(0, (), {}, None, None, torch.zeros(3), None, True)) is None
    assert rows_of(ObservedBatch(0, (drawn(3),), {}, None, None, torch.tensor(1.0), None, True)) is None
    assert rows_of(batch(drawn(ROWS, 1), TWO)).count == ROWS

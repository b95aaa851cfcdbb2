"""Whole judgements of plain loops: what must never be called healthy, and what must never raise an alarm."""

import itertools

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from torch import nn

import tenfold


def rows(name):
    x, y = (load_digits if name == "digits" else load_breast_cancer)(return_X_y=True)
    x = torch.tensor(x, dtype=torch.float32)
    return (x - x.mean(0)) / (x.std(0) + 1e-3), torch.tensor(y)


def stack(sizes, activation=nn.ReLU, init=nn.init.kaiming_normal_, norm=False, last=()):
    layers = []
    for one, two in itertools.pairwise(sizes):
        layers += [nn.Linear(one, two), *([nn.BatchNorm1d(two)] if norm else []), activation()]
    layers = layers[: -2 if norm else -1]  # nothing behind the output
    model = nn.Sequential(*layers, *last)
    for layer in model:
        if isinstance(layer, nn.Linear):
            init(layer.weight)
            nn.init.zeros_(layer.bias)
    return model


def judged(model, x, y, criterion, optimizer, epochs=12, batch=32, sign=1.0):
    generator = torch.Generator().manual_seed(0)
    held, order = torch.randperm(len(x), generator=generator).split([len(x) // 5, len(x) - len(x) // 5])
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for _ in range(epochs):
            model.train()
            for part in order[torch.randperm(len(order), generator=generator)].split(batch):
                optimizer.zero_grad()
                (sign * criterion(model(x[part]), y[part])).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                criterion(model(x[held]), y[held])
    return doctor.diagnose(prove=False, budget=1.0)


def adam(model, lr=1e-3):
    return torch.optim.Adam(model.parameters(), lr=lr)


def depth(count):
    return [64, *[48] * count, 10]


def zeros():
    x, y = rows("digits")
    model = stack(depth(2), init=nn.init.zeros_)
    return judged(model, x, y, nn.CrossEntropyLoss(), adam(model)), {"constant_init"}


def sigmoid_20():
    x, y = rows("digits")
    model = stack(depth(20), nn.Sigmoid, nn.init.xavier_normal_)
    return judged(model, x[:600], y[:600], nn.CrossEntropyLoss(), adam(model), epochs=6), {"hidden_activation", "depth"}


def bias_minus_30():
    x, y = rows("digits")
    model = stack(depth(2))
    for layer in model[::2]:
        nn.init.constant_(layer.bias, -30.0)
    return judged(model, x, y, nn.CrossEntropyLoss(), adam(model)), {"dying_relu"}


def rate_x1000():
    x, y = rows("digits")
    model = stack(depth(2))
    return judged(model, x, y, nn.CrossEntropyLoss(), adam(model, 1.0)), {"lr_too_high"}


def shuffled_labels():
    x, y = rows("digits")
    model = stack(depth(2))
    y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(1))]
    return judged(model, x, y, nn.CrossEntropyLoss(), adam(model)), {"corrupted_labels"}


def softmax_on_one():
    x, y = rows("cancer")
    model = stack([30, 32, 1], last=(nn.Softmax(1),))
    return judged(model, x, y[:, None].float(), nn.BCELoss(), adam(model)), {"output_activation"}


def summed():
    x, y = rows("digits")
    model = stack(depth(2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    return judged(model, x, y, nn.CrossEntropyLoss(reduction="sum"), optimizer, 40, 1000), {"loss_reduction"}


def flipped_sign():
    x, y = rows("digits")
    model = stack(depth(2))
    return judged(model, x, y, nn.CrossEntropyLoss(), adam(model), sign=-1.0), {"gradient_sign"}


def inputs_x1e4():
    x, y = rows("digits")
    model = stack(depth(2), nn.Tanh, nn.init.xavier_normal_)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    return judged(model, 1e4 * x, y, nn.CrossEntropyLoss(), optimizer), {"unscaled_inputs"}


def slow(*programs):
    return [pytest.param(program, marks=pytest.mark.slow) for program in programs]


# In the fast suite: a sign, dead units, and one scale; the others take longer.
@pytest.mark.parametrize(
    "program",
    [flipped_sign, bias_minus_30, summed,
     *slow(rate_x1000, zeros, softmax_on_one, shuffled_labels, inputs_x1e4, sigmoid_20)],
)  # fmt: skip
def test_never_a_wrong_healthy(program):
    torch.manual_seed(0)
    diagnosis, right = program()
    assert not diagnosis.healthy
    assert diagnosis.findings[0].cause in right, diagnosis.report()
    assert diagnosis.findings[0].evidence
    assert diagnosis.findings[0].remedy


def he_relu(count):
    x, y = rows("digits")
    model = stack(depth(count))
    return judged(model, x, y, nn.CrossEntropyLoss(), adam(model), epochs=12)


def he_relu_2():
    return he_relu(2)


def xavier_tanh():
    x, y = rows("digits")
    model = stack(depth(4), nn.Tanh, nn.init.xavier_normal_)
    return judged(model, x, y, nn.CrossEntropyLoss(), adam(model), epochs=12)


def normalized_sigmoid_8():
    x, y = rows("digits")
    model = stack(depth(8), nn.Sigmoid, nn.init.xavier_normal_, norm=True)
    return judged(model, x, y, nn.CrossEntropyLoss(), adam(model), epochs=12)


def linear():
    x, y = rows("cancer")
    model = nn.Linear(30, 2)
    return judged(model, x, y, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1))


def overfits_late():
    x, y = rows("digits")
    model = stack([64, 128, 128, 10])
    return judged(model, x[:200], y[:200], nn.CrossEntropyLoss(), adam(model, 3e-3), epochs=80)


@pytest.mark.parametrize("program", [linear, he_relu_2, overfits_late, *slow(xavier_tanh, normalized_sigmoid_8)])
def test_never_an_alarm(program):
    torch.manual_seed(0)
    diagnosis = program()
    assert diagnosis.healthy, diagnosis.report()
    assert diagnosis.findings == []


@pytest.mark.slow
@pytest.mark.parametrize("depth", range(3, 11))
def test_never_an_alarm_at_any_depth(depth):
    torch.manual_seed(0)
    diagnosis = he_relu(depth)
    assert diagnosis.healthy, diagnosis.report()


def test_a_control_that_there_was_no_time_for_is_not_another_change():
    from tenfold.doctor.prove.paired import prove
    from tenfold.doctor.record import Facts, Record, Trial

    def trial(name):
        return Trial(name, 20, [0.5], [0.5], [1.0])

    facts = Facts("classes", 2, [], [], [], "CrossEntropyLoss", "mean", "", [2], [], 32, 100, 20)
    record = Record(facts, trials=[trial(n) for n in ("as_is", "adam", "clip", "normalize")])
    late = prove(record, ["adam", "clip"], lambda names, seeds: [trial(n) for n in names[:3]])
    assert [t.change for t in late] == ["as_is", "adam", "clip"]
    whole = prove(record, ["adam", "clip"], lambda names, seeds: [trial(n) for n in names])
    assert [t.change for t in whole] == ["as_is", "adam", "clip", "control: normalize"]


def test_a_remedy_that_did_not_help_is_said_with_what_did():
    from tenfold.doctor.prove.paired import proof_sentence
    from tenfold.doctor.record import Trial

    def trial(change, skill, loss=1.0):
        return Trial(change, 60, [skill] * 5, [skill] * 5, [loss] * 5)

    base, failed = trial("as_is", -0.2), trial("lr_d10", -0.2)
    said = proof_sentence([base, failed, trial("control: adam", -0.2)], "lr_d10")
    assert said.endswith("(adam): -0.20 (0 of 5). This remedy alone did not help in the short run")
    said = proof_sentence([base, failed, trial("clip", 0.4), trial("control: standardize_inputs", 0.7)], "lr_d10")
    assert said.endswith(
        "in the short run; another change did (standardize inputs): skill -0.20 -> 0.70 (5 of 5 better)"
    )
    for change in (trial("lr_d10", 0.1), trial("lr_d10", -0.2, 0.5)):  # more skill, less loss
        assert "did not help" not in proof_sentence([base, change, trial("control: adam", 0.7)], "lr_d10")


@pytest.mark.slow
def test_gradients_that_are_never_set_to_zero_have_a_remedy_of_their_own():
    torch.manual_seed(0)
    x = torch.randn(300, 6)
    y = (x[:, 0] - x[:, 1] > 0).long()
    model = stack([6, 16, 2])
    optimizer, criterion = torch.optim.SGD(model.parameters(), lr=0.5), nn.CrossEntropyLoss()
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for part in torch.randperm(3000).remainder(300).split(32):
            criterion(model(x[part]), y[part]).backward()
            optimizer.step()
    first = doctor.diagnose(budget=0.3).findings[0]
    assert first.cause == "lr_too_high"
    assert any("never set back to zero" in said for said in first.evidence)
    assert first.remedy == "call optimizer.zero_grad() before loss.backward(), at every update"
    assert (first.change, first.proof) == ("zero_grad", "")


def test_evidence_with_a_remedy_of_its_own_decides_on_the_remedy():
    from tenfold.doctor.prescribe.prescribe import prescribe
    from tenfold.doctor.record import Facts, Record

    record = Record(Facts("classes", 2, [], [], [], "", "", "", [], [], 32, 96, 10))
    remedy = prescribe("lr_too_high", record, ["steps_large", "gradient_accumulates"])
    assert remedy.change == "zero_grad"
    assert "optimizer.zero_grad() before loss.backward()" in remedy.words
    assert prescribe("lr_too_high", record, ["steps_large"]).change == "lr_d10"


@pytest.mark.slow
def test_a_proof_pairs_the_remedy_with_the_unchanged_run_over_seeds():
    torch.manual_seed(0)
    x, y = rows("cancer")
    model = stack([30, 16, 2])
    optimizer, criterion = torch.optim.SGD(model.parameters(), lr=1e-5), nn.CrossEntropyLoss()
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for part in torch.randperm(len(x)).repeat(4).split(32):
            optimizer.zero_grad()
            criterion(model(x[part]), y[part]).backward()
            optimizer.step()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    diagnosis = doctor.diagnose(budget=1.0)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    first = diagnosis.findings[0]
    assert first.cause == "lr_too_low"
    assert "5 of 5 better" in first.proof
    trials = {t.change: t for t in diagnosis.record.proofs}
    assert len(trials["as_is"].skill) == len(trials[first.change].skill) == 5
    assert sum(trials[first.change].loss) < sum(trials["as_is"].loss)
    assert any(name.startswith("control: ") for name in trials)


def test_an_alarm_that_no_cause_stands_for_is_none(monkeypatch):
    from tenfold.doctor import diagnosis
    from tenfold.doctor.record import Curves, Facts, Record, Theory

    record = Record(
        Facts("classes", 2, [], [], [], "", "", "", [], [], 0, 0, 9, 1.0), None, None, Curves([]), [], Theory()
    )
    for first, healthy, said in ((0.06, 0.4, False), (0.09, 0.4, True), (0.06, 0.05, True), (0.09, 0.6, False)):
        rest = (1 - first - healthy) / 30
        spread = [diagnosis.Verdict("healthy", healthy, []), diagnosis.Verdict("depth", first, [])]
        spread += [diagnosis.Verdict("capacity", rest, [])]
        monkeypatch.setattr(
            diagnosis, "judge", lambda record, found=spread: sorted(found, key=lambda v: -v.probability)
        )
        assert diagnosis.diagnosis_of(record).healthy != said

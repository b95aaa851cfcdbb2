"""The planted-fault suite itself: healthy programs train, each operator does what it says, rates are counted right."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2]))  # the suite stands beside the package

from bench.doctor import healthy, remedies, runner, scoring
from bench.doctor.bases import BASES, base_of
from bench.doctor.case import Case
from bench.doctor.networks import WEIGHTED, build
from bench.doctor.operators import operators
from bench.doctor.program import CRITERIA, optimizer_of, skill, train

from tenfold.doctor.causes import CAUSES
from tenfold.doctor.prescribe.prescribe import PARTICULAR


def planted(operator: str, base: str) -> tuple[Case, Case]:
    """The healthy program and the faulty one."""
    case = base_of(base)[1]
    found = operators()[operator].plant(case)
    assert found is not None
    return case, found


def model_of(case: Case, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build(case.net)


def short(case: Case, epochs: int = 1) -> Case:
    return case.loop_with(epochs=epochs)


def test_size_and_halves() -> None:
    found = operators()
    assert len(found) >= 34
    assert all(fault.causes and set(fault.causes) <= set(CAUSES) for fault in found.values())
    assert {cause for fault in found.values() for cause in fault.causes} == set(CAUSES)  # none without a fault
    calibration, evaluation = ({case.name for case in half} for half in BASES.values())
    assert len(calibration) >= 6 <= len(evaluation)
    assert not calibration & evaluation
    for half in BASES:
        todo = runner.jobs(half, range(5))
        faulty = [job for job in todo if job.operator]
        assert len({job.key for job in todo}) == len(todo)
        assert len(todo) - len(faulty) >= 300
        assert len(faulty) >= 600
        assert {job.operator for job in faulty} == set(found)
        assert {job.half for job in todo} == {half}


def test_every_activation_and_optimizer_in_both_halves() -> None:
    for half in BASES:
        programs = [
            runner.healthy_case(runner.Job(half, base, variant, "", 0)) for base, variant in healthy.names(half)
        ]
        assert {case.net.activation for case in programs} >= {*healthy.SMOOTH, "sigmoid"}
        assert {case.optim.rule for case in programs} >= {
            "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta",
            "adam", "adamw", "nadam", "adamax", "radam",
        }  # fmt: skip
        assert {case.net.init for case in programs} >= {"default", "he", "xavier", "orthogonal"}
        assert all(sum(base == name for base, _ in healthy.names(half)) >= 12 for name in {c.name for c in BASES[half]})


@pytest.mark.parametrize("base", ["wine", "moons", "diabetes", "shapes_conv", "texts", "waves_gru"])
def test_every_fault_gives_another_program_that_runs(base: str) -> None:
    """One forward pass, loss and update of each."""
    case = base_of(base)[1]
    for name, fault in operators().items():
        found = fault.plant(case)
        if found is None:
            continue
        assert found != case, name
        data = found.data(0)
        rows = slice(0, 4)
        model = model_of(found)
        output = model(data.x_train[rows])
        target = data.y_train[rows]
        if name not in ("broadcast", "labels_from_one"):  # those that torch refuses
            loss = CRITERIA[found.criterion]()(output, target)
            loss.backward()
        optimizer_of(found, model).step()


FLOORS = {"wine": 0.85, "moons": 0.8, "friedman": 0.85, "cancer": 0.8, "digits_table": 0.85, "diabetes": 0.35}


@pytest.mark.parametrize("base", FLOORS)
def test_a_healthy_base_trains(base: str) -> None:
    assert train(base_of(base)[1], 0).outcome > FLOORS[base]


def test_the_same_seed_gives_the_same_outcome() -> None:
    case = short(base_of("diabetes")[1], 2)
    assert train(case, 1).outcome == train(case, 1).outcome


def test_one_column_in_other_units() -> None:
    case, found = planted("column_x1e3", "wine")
    one, other = case.data(0), found.data(0)
    for before, after in ((one.x_train, other.x_train), (one.x_test, other.x_test)):
        columns = (before != after).any(0)
        assert columns.sum() == 1
        assert torch.equal(after[:, columns], before[:, columns] * 1e3)
        assert torch.equal(columns, (one.x_train != other.x_train).any(0))


def test_labels_are_dealt_anew_and_scored_as_they_were() -> None:
    case, found = planted("labels_shuffled", "wine")
    one, other = case.data(0), found.data(0)
    assert torch.equal(one.y_train.sort().values, other.y_train.sort().values)
    assert (one.y_train != other.y_train).float().mean() > 0.3
    assert torch.equal(one.y_test, other.y_test)
    assert torch.equal(one.x_train, other.x_train)


def test_share_of_wrong_labels() -> None:
    for base, share in (("moons", 0.4), ("digits_table", 0.6)):
        case, found = planted("labels_noise", base)
        wrong = (case.data(0).y_train != found.data(0).y_train).float().mean()
        assert abs(float(wrong) - share) < 0.08  # 4 standard errors of 490 rows


def test_imbalance_is_two_percent_of_the_common_class() -> None:
    case, found = planted("imbalance", "digits_table")
    counts = torch.bincount(found.data(0).y_train)
    common = int(counts.max())
    assert int(counts.sum()) - common == round(0.02 * common)
    assert torch.equal(found.data(0).y_test, case.data(0).y_test)


def test_only_the_evaluation_is_unscaled() -> None:
    case, found = planted("evaluation_x255", "diabetes")
    one, other = case.data(0), found.data(0)
    assert torch.equal(one.x_train, other.x_train)
    assert torch.equal(one.x_test * 255, other.x_test)
    assert torch.equal(one.x_val * 255, other.x_val)
    assert found.loop.validate  # or nobody could see it


def weights(model: nn.Module) -> list[torch.Tensor]:
    return [m.weight.detach() for m in model.modules() if isinstance(m, WEIGHTED)]


def test_starts() -> None:
    zeros, half = (weights(model_of(planted(name, "wine")[1])) for name in ("init_zeros", "init_half"))
    assert all(not w.any() for w in zeros)
    assert all((w == 0.5).all() for w in half)
    small = weights(model_of(planted("init_std_1e2", "friedman")[1]))
    assert len(small) == 9
    assert all(abs(float(w.std()) - 0.01) < 1e-3 for w in small[:-1])  # 4 standard errors of 640 numbers: 1.1e-3
    large = weights(model_of(planted("init_std_3", "friedman")[1]))
    assert abs(float(large[1].std()) - 3) < 0.15


def test_relu_units_start_dead_and_the_output_does_not() -> None:
    for base in ("friedman", "moons"):
        _, found = planted("bias_minus_30", base)
        biases = [m.bias for m in model_of(found).modules() if isinstance(m, WEIGHTED)]
        assert all((b == -30).all() for b in biases[:-1])
        assert (biases[-1] > -30).all()


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [("sigmoid_8", nn.Sigmoid, 8), ("sigmoid_20", nn.Sigmoid, 20), ("plain_25", nn.ReLU, 25)],
)
def test_depth(name: str, kind: type[nn.Module], count: int) -> None:
    model = model_of(planted(name, "friedman")[1])
    assert sum(isinstance(m, kind) for m in model.modules()) == count
    assert len(weights(model)) == count + 1


def test_without_activations_the_network_is_affine() -> None:
    """f(x) - f(0) is additive, to rounding."""
    for base in ("wine", "digits_table"):
        _, found = planted("no_activation", base)
        model, x = model_of(found), found.data(0).x_train[:2]
        at_zero = model(torch.zeros_like(x[:1]))
        whole = model(x[:1] + x[1:]) - at_zero
        assert torch.allclose(whole, model(x[:1]) + model(x[1:]) - 2 * at_zero, atol=1e-5)


def test_outputs_that_cannot_represent_the_target() -> None:
    _, found = planted("softmax_on_one", "cancer")
    model = model_of(found).eval()
    assert torch.equal(model(found.data(0).x_train[:5]), torch.ones(5, 1))
    _, found = planted("relu_output", "diabetes")
    assert (model_of(found)(found.data(0).x_train) >= 0).all()
    _, found = planted("double_softmax", "digits_table")
    assert torch.allclose(model_of(found)(found.data(0).x_train[:7]).sum(1), torch.ones(7))
    _, found = planted("softmax_over_rows", "digits_table")
    assert torch.allclose(model_of(found)(found.data(0).x_train[:7]).sum(0), torch.ones(10))


def test_criteria_against_plain_loops() -> None:
    torch.manual_seed(0)
    a, y = torch.randn(6, 3, dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0, 2])
    p = a.exp()
    rows = sum(-math.log(p[i, y[i]] / p[:, y[i]].sum()) for i in range(6)) / 6
    own = sum(-math.log(p[i, y[i]] / p[i].sum()) for i in range(6)) / 6
    expected = {
        "rows": rows, "negative_ce": -own, "log_likelihood": -own,
        "largest": sum((float(a[i].max()) - int(y[i])) ** 2 for i in range(6)) / 6,
        "one_hot_l1": sum(abs(float(a[i, c]) - float(c == y[i])) for i in range(6) for c in range(3)) / 18,
        "ce_sum": 6 * own,
    }  # fmt: skip
    for name, value in expected.items():
        assert float(CRITERIA[name]()(a, y)) == pytest.approx(value, abs=1e-12), name
    column = a[:, :1]
    assert float(CRITERIA["class_numbers"]()(column, y)) == pytest.approx(
        sum((float(column[i]) - int(y[i])) ** 2 for i in range(6)) / 6, abs=1e-12
    )
    t = y.clamp(max=1).double().reshape(-1, 1)
    two = sum(math.log(s if t[i] else 1 - s) for i, s in enumerate(column.sigmoid().flatten().tolist())) / 6
    assert float(CRITERIA["log_likelihood"]()(column, t)) == pytest.approx(two, abs=1e-12)


def loss_on_training_rows(case: Case, model: nn.Module) -> float:
    data = case.data(0)
    with torch.no_grad():
        return float(CRITERIA[case.criterion]()(model.eval()(data.x_train), data.y_train))


@pytest.mark.parametrize("name", ["sign_flipped", "maximized"])
def test_ascent(name: str) -> None:
    """Small full-batch steps: down as it should be, up with the fault."""
    for base in ("wine", "diabetes"):
        case, found = planted(name, base)
        slow = replace(case, optim=replace(case.optim, lr=1e-3)).loop_with(batch=10_000, epochs=3)
        bad = replace(found, optim=replace(found.optim, lr=1e-3)).loop_with(batch=10_000, epochs=3)
        before = loss_on_training_rows(case, model_of(case))
        assert loss_on_training_rows(case, train(slow, 0).model) < before
        assert loss_on_training_rows(case, train(bad, 0).model) > before


@pytest.mark.parametrize(("name", "still"), [("first_frozen", -1), ("last_only", -1), ("other_model", None)])
def test_parameters_that_do_not_move(name: str, still: int | None) -> None:
    _, found = planted(name, "digits_table")
    before, after = weights(model_of(found)), weights(train(short(found), 0).model)
    moved = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert not any(moved[:-1])
    assert moved[-1] == (still == -1)


def test_factors_of_the_learning_rate() -> None:
    for name, factor in {
        "lr_x100": 100,
        "lr_x1000": 1000,
        "lr_d100": 0.01,
        "lr_d1000": 1e-3,
        "lr_d10000": 1e-4,
    }.items():
        case, found = planted(name, "wine")
        assert found.optim.lr == pytest.approx(factor * case.optim.lr)


def test_gradients_pile_up() -> None:
    """Two equal batches: the second update is made with twice the gradient, so SGD goes three times as far."""
    case = base_of("diabetes")[1]
    case = replace(case, optim=replace(case.optim, lr=1e-4)).loop_with(batch=10_000, epochs=2)
    found = operators()["gradients_kept"].plant(case)
    assert found is not None
    start = weights(model_of(case))[0]
    once, piled = (weights(train(c, 0).model)[0] - start for c in (short(case), found))
    assert torch.allclose(piled.double(), 3 * once.double(), rtol=0.02, atol=1e-6)  # rounding of float32 near 0.3: 3e-8


def test_shapes_that_broadcast() -> None:
    case, found = planted("broadcast", "diabetes")
    assert found.data(0).y_train.shape == case.data(0).y_train.shape[:1]
    with pytest.warns(UserWarning, match="broadcast"):
        outcome = train(found, 0).outcome
    assert outcome < 0.15


def test_skill_against_an_independent_library() -> None:
    from sklearn.metrics import accuracy_score, r2_score

    class Fixed(nn.Module):
        def __init__(self, output: torch.Tensor) -> None:
            super().__init__()
            self.output = output

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.output

    torch.manual_seed(1)
    case = base_of("diabetes")[1]
    data = case.data(0)
    output = data.y_test + 0.7 * torch.randn(data.y_test.shape)
    assert skill(case, Fixed(output), data) == pytest.approx(r2_score(data.y_test, output), abs=1e-6)
    assert skill(case, Fixed(output * math.nan), data) == -math.inf
    case = base_of("wine")[1]
    data = case.data(0)
    logits = nn.functional.one_hot(data.y_test, 3) + torch.randn(len(data.y_test), 3)
    largest = float(torch.bincount(data.y_test).max()) / len(data.y_test)
    accuracy = accuracy_score(data.y_test, logits.argmax(1))
    assert skill(case, Fixed(logits), data) == pytest.approx((accuracy - largest) / (1 - largest), abs=1e-6)


def test_every_prescribed_change_can_be_followed() -> None:
    wanted = {remedy.change for cause in CAUSES.values() for remedy in cause.remedies}
    wanted |= {remedy.change for remedy in PARTICULAR.values()}
    assert wanted <= set(remedies.CHANGES)
    for case in (base_of(name)[1] for name in ("wine", "cancer", "diabetes", "digits_conv", "frequency_lstm", "texts")):
        for change in remedies.CHANGES:
            found = remedies.apply(case, change)
            build(found.net)
            optimizer_of(found, model_of(found))


@pytest.mark.parametrize("base", ["friedman", "digits_conv", "waves_gru"])
def test_standardized_again(base: str) -> None:
    _, found = planted("inputs_x255", base)
    x = remedies.apply(found, "standardize_inputs").data(0).x_train
    axes = tuple(i for i in range(x.dim()) if i != {2: 1, 3: 2, 4: 1}[x.dim()])
    assert torch.allclose(x.mean(axes), torch.zeros(()), atol=1e-5)
    assert torch.allclose(x.std(axes), torch.ones(()), atol=1e-5)


@pytest.mark.slow
def test_a_remedy_undoes_its_fault() -> None:
    for operator, base, change in [
        ("sign_flipped", "diabetes", "flip"), ("summed", "diabetes", "mean_loss"), ("last_only", "cancer", "unfreeze"),
        ("lr_x1000", "diabetes", "lr_d1000"), ("softmax_on_one", "moons", "head"), ("decay_10", "wine", "no_decay"),
        ("gradients_kept", "diabetes", "zero_grad"),
    ]:  # fmt: skip
        case, found = planted(operator, base)
        before, after = train(found, 0).outcome, train(remedies.apply(found, change), 0).outcome
        assert remedies.improves(before if math.isfinite(before) else None, after), operator
        assert after > train(case, 0).outcome - 0.1, operator


def test_who_looks_finds_the_fault_where_it_is() -> None:
    job = runner.Job("calibration", "wine", "as_is", "labels_shuffled", 0)
    clean = base_of("wine")[1].data(0).y_train
    assert torch.equal(remedies.follow(job, "corrupted_labels", "as_is").data(0).y_train, clean)
    assert not torch.equal(remedies.follow(job, "train_test_mismatch", "as_is").data(0).y_train, clean)
    assert remedies.other_change(job, "head") not in ("head", *remedies.COSTLY)


def test_a_run_is_a_line_and_is_not_made_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = next(j for j in runner.jobs("calibration", [0], ["wine"], ["lr_d1000"]))
    line = runner.make(job, 0.96, doctor="none")
    assert line["changed"]
    assert line["causes"] == ["lr_too_low"]
    assert runner.key_of(json.loads(json.dumps(line))) == job.key
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps(line) + '\n{"half": "cal')  # the second was cut off
    assert [runner.key_of(found) for found in runner.read(path)] == [job.key]
    runner.run([job], path, 1, doctor="none")
    assert "1 runs, 1 of them there" in capsys.readouterr().out


def judged(operator: str, causes: list[str], named: tuple[str, ...], changed: bool = True) -> scoring.Judged:
    line = {"half": "evaluation", "base": "a", "variant": "as_is", "operator": operator, "causes": causes,
            "note": False, "changed": changed, "seed": 0, "outcome": 0.0, "healthy_outcome": 0.9}  # fmt: skip
    return scoring.Judged(line, named, tuple("adam" for _ in named), 0.5)


def test_rates_by_hand() -> None:
    runs = [
        judged("f", ["depth"], ("depth",)), judged("f", ["depth", "capacity"], ("capacity", "depth")),
        judged("f", ["depth"], ("batch_size", "depth")), judged("f", ["depth"], ()),
        judged("f", ["depth"], ("depth",), changed=False), *(judged("", [], (), changed=False) for _ in range(9)),
        judged("", [], ("depth",), changed=False), judged("", [], ("depth",)),
    ]  # fmt: skip
    found = scoring.score(runs)
    counts = {
        name: (found[name]["hits"], found[name]["of"]) for name in ("detected", "first", "first_two", "false_alarms")
    }
    assert counts == {"detected": (3, 4), "first": (2, 4), "first_two": (3, 4), "false_alarms": (1, 10)}
    assert (found["harmless_flagged"]["hits"], found["fallen_healthy"]) == (1, 1)
    assert found["confusion"] == {"capacity": {"capacity": 1}, "depth": {"depth": 1, "batch_size": 1, "healthy": 1}}
    assert [len(found[name]) for name in ("misses", "alarms", "mistaken")] == [1, 1, 0]


def test_intervals_in_closed_form() -> None:
    """No event in n tries: the upper end is 1 - 0.025^(1/n)."""
    assert scoring.rate([False] * 300)["high"] == pytest.approx(1 - 0.025 ** (1 / 300), abs=1e-9)

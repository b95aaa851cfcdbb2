"""Ray as an executor: on a real cluster of several nodes on this machine, whose workers and nodes are killed in the
middle of a search, and what is refused before anything is trained."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

import tenfold
from tenfold.errors import BadInput, Stopped
from tenfold.executors.choose import opened_cluster
from tenfold.executors.own_code import as_bytes, own_modules
from tenfold.executors.protocol import TravellingJob
from tenfold.problem.from_arrays import understand
from tenfold.problem.settings import Settings
from tenfold.search.context import Journal, SearchContext
from tenfold.search.job import Message
from tenfold.search.racing import Strategy
from tenfold.search.records import EpochRecorder
from tenfold.search.search import Given, SearchPlan, SearchRun, train_all

SPACE = {
    "network": {"hidden": [[32], [64, 32]], "dropout": [0.0, 0.2]},
    "optimizer": {"adam": {"lr": {"log_uniform": [1e-3, 3e-2]}}},
    "preprocess": ["standardize", "pca"],
}


def small_module(width):
    """Of a file that no worker can import."""
    import torch

    return torch.nn.Sequential(torch.nn.Linear(30, width), torch.nn.Tanh(), torch.nn.Linear(width, 2))


class _Messages(Journal):
    """What a search receives: (kind, pack, epoch), in order. at: called with each."""

    def __init__(self, at=lambda message: None):
        self.seen, self.at = [], at

    def receive(self, message):
        self.seen.append((message.kind, message.pack, message.epoch))
        self.at(message)


@pytest.fixture(scope="module")
def nodes():
    """A cluster of a head without cores and two nodes with one core each; gives its address, and what adds a node."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": {"worker_niceness": 0}}
    cluster = Cluster(initialize_head=True, connect=False, head_node_args=head)
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


def same_bits(one, other):
    assert one.recipes == other.recipes
    assert one.order == other.order
    for number, record in one.records.items():
        mine, theirs = record.arrays("r"), other.records[number].arrays("r")
        assert mine[1] == theirs[1]
        assert {name: array.tobytes() for name, array in mine[0].items()} == {
            name: array.tobytes() for name, array in theirs[0].items()
        }
    # A network whose best epoch was before the checkpoint of a lost worker is not kept: it can be trained again.
    for place in one.weights.keys() & other.weights.keys():
        (mine, one_lane), (theirs, other_lane) = one.weights[place], other.weights[place]
        assert mine == theirs
        assert {n: a.tobytes() for n, a in one_lane.items()} == {n: a.tobytes() for n, a in other_lane.items()}
    assert one.race == other.race


def table():
    x, y = load_breast_cancer(return_X_y=True)
    return understand(x, y, None).problem(3, seed=0)


def searched(problem, recipes, address, **options):
    plan = SearchPlan(Strategy("halving"), seed=0)
    with opened_cluster("local" if address is None else "ray", address) as cluster:
        return train_all(problem, recipes, SearchContext.local("cpu", cluster=cluster, **options), plan)


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_node_change_no_bit(nodes):
    problem = table()
    recipes = tenfold.Space.from_dict({**SPACE, "epochs": 1500}).sample(8, seed=0)
    expected = searched(problem, recipes, None)
    killed, epoch, saved = [], {}, {}

    def kill(message):
        """Once two packs are under way that have told more than their checkpoints hold."""
        (saved if message.kind == "checkpoint" else epoch)[message.pack] = message.epoch
        if message.kind == "done":
            epoch.pop(message.pack, None)
        ahead = [pack for pack, made in epoch.items() if made > saved.get(pack, made)]
        if len(ahead) < 2 or len(killed) == 2:
            return
        if not killed:
            worker = subprocess.run(["pgrep", "-f", "^ray::RayWorker"], capture_output=True, text=True).stdout.split()
            os.kill(int(worker[0]), signal.SIGKILL)
        else:
            for process in nodes.list_all_nodes()[-1].all_processes["raylet"]:
                os.kill(process.process.pid, signal.SIGKILL)
        killed.append(message.pack)
        epoch.clear()

    journal = _Messages(kill)
    found = searched(problem, recipes, nodes.address, journal=journal, every=0.3)
    nodes.remove_node(nodes.list_all_nodes()[-1])
    nodes.add_node(num_cpus=1)
    same_bits(expected, found)
    assert len(killed) == 2
    assert lost_epochs(journal.seen) >= 1


def lost_epochs(seen):
    """Epochs that were trained twice. Each pack goes on from its last checkpoint."""
    epoch, saved, lost = {}, {}, 0
    for kind, pack, number in seen:
        if kind == "checkpoint":
            saved[pack] = number
        elif kind == "epoch":
            if number <= epoch.get(pack, 0):
                assert number == saved.get(pack, 0) + 1
                lost += epoch[pack] - number + 1
            epoch[pack] = number
    return lost


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["images", "module", "numbers with a metric of one's own"])
def test_the_same_bits_as_here(nodes, kind):
    rng = np.random.default_rng(0)
    if kind == "images":
        x, y = rng.integers(0, 256, (120, 8, 8, 1), np.uint8), np.arange(120) % 3
        layers = [{"conv": {"channels": [4, 6], "kernel": 3}}, "relu", "flatten"]
        recipes = tenfold.Space.from_dict({"network": {"layers": layers}, "epochs": 4}).sample(4, seed=0)
    elif kind == "module":
        x, y = load_breast_cancer(return_X_y=True)
        network = tenfold.Module(small_module, width=[4, 8])
        recipes = tenfold.Space.from_dict({"network": network, "epochs": 5}).sample(4, seed=0)
    else:
        x, y = load_diabetes(return_X_y=True)
        recipes = tenfold.Space.from_dict({**SPACE, "epochs": 6}).sample(4, seed=0)
    metric = (lambda y, p: -np.abs(y - p[:, 0])) if kind.startswith("numbers") else None
    how = {"folds": 3, "seed": 1, "metric": metric, "device": "cpu"}
    expected = tenfold.cross_validate(recipes, x, y, **how)
    found = tenfold.cross_validate(recipes, x, y, engine="ray", address=nodes.address, **how)
    same_bits(expected.trained, found.trained)
    assert np.array_equal(expected.out_of_fold, found.out_of_fold, equal_nan=True)


@pytest.mark.slow
def test_a_search_that_is_stopped_goes_on_from_its_checkpoints(nodes, tmp_path):
    problem = table()
    recipes = tenfold.Space.from_dict({**SPACE, "epochs": 900}).sample(4, seed=0)
    expected = searched(problem, recipes, None)
    from tenfold.run.checkpoint_journal import CHECKPOINT, RunJournal
    from tenfold.store.run_directory import Run

    begun = []

    def stop():
        if begun:
            raise Stopped("stopped")

    with Run.create(tmp_path / "run") as run:
        journal = RunJournal(run, {})
        received = journal.receive

        def receive(message):
            received(message)
            begun.append(message)

        journal.receive = receive
        with pytest.raises(Stopped):
            searched(problem, recipes, nodes.address, journal=journal, idle=stop)
        assert run.keys(CHECKPOINT)
    with Run.open(tmp_path / "run") as run:
        same_bits(expected, searched(problem, recipes, nodes.address, journal=RunJournal(run, {})))


@pytest.mark.slow
def test_a_time_limit_ends_what_is_under_way(nodes):
    recipes = tenfold.Space.from_dict({**SPACE, "epochs": 100_000}).sample(4, seed=0)
    began = time.monotonic()
    x, y = load_breast_cancer(return_X_y=True)
    found = tenfold.search(recipes, x, y, folds=3, time_limit=15, engine="ray", address=nodes.address)
    assert "timeout" in found.trained.outcomes()
    assert time.monotonic() - began < 300


@pytest.mark.slow
def test_another_version_on_a_node_is_refused_by_name(nodes, tmp_path):
    other = tmp_path / "numpy-1.2.3.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.2.3\n")
    node = nodes.add_node(num_cpus=1, env_vars={"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"})
    try:
        with pytest.raises(BadInput, match=r"numpy is 1\.2\.3 on .*, and .* here"):
            searched(table(), [tenfold.Recipe(epochs=2)], nodes.address)
    finally:
        nodes.remove_node(node)


def jobs_of(problem, recipes):
    """The jobs of a search that trains all to the end."""
    run = SearchRun(problem, Given(tuple(recipes)), SearchContext.local("cpu"), SearchPlan())
    run.recipes = list(recipes)
    run.records = EpochRecorder.new(problem, recipes, range(len(recipes)))
    feed = problem.feed(recipes, run.context.device, run.context.dtype)
    [stage] = Strategy("exhaustive").stages(problem.folds, len(recipes), 3)
    return run._jobs("0.0", stage, list(range(len(recipes))), feed, {})[0]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"executor": "spark"}, "--engine spark\n  expected: one of: local, ray"),
        ({"address": "auto"}, "--address auto with --engine local"),
        ({"executor": "ray", "device": "cuda"}, "--device cuda with --engine ray"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, found):
    with pytest.raises(BadInput, match=found):
        Settings("data.csv", **options)


def test_ray_trains_on_cores():
    assert Settings("data.csv", executor="ray").device == "cpu"


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("127.0.0.1:1", "nothing answers at 127.0.0.1:1"),
        ("ray://127.0.0.1:1", "nothing answers at ray://127.0.0.1:1"),
        ("http://127.0.0.1:8265", "--address http://127.0.0.1:8265"),
        ("somewhere", "--address somewhere"),
    ],
)
def test_an_address_without_ray_is_refused_at_once(address, found):
    with pytest.raises(BadInput, match=found), opened_cluster("ray", address):
        pass


def test_an_engine_is_refused_in_python_too():
    x, y = load_breast_cancer(return_X_y=True)
    for call in (tenfold.cross_validate, tenfold.search, tenfold.nested_cross_validate):
        with pytest.raises(BadInput, match="--engine spark"):
            call([tenfold.Recipe(epochs=1)], x, y, engine="spark")


def test_functions_of_a_file_of_the_users_travel_as_code(tmp_path, monkeypatch):
    (tmp_path / "my_layers.py").write_text("def double(x):\n    return 2 * x\n")
    (tmp_path / "my_model.py").write_text("from my_layers import double\n\ndef make(x):\n    return double(x) + 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import my_model

    assert {module.__name__ for module in own_modules([my_model.make])} == {"my_layers", "my_model"}
    assert own_modules([np.mean, tenfold.search, len]) == []
    sent = as_bytes(my_model.make, [my_model.make])
    program = "import sys, pickle; print(pickle.load(sys.stdin.buffer)(20))"
    other = subprocess.run([sys.executable, "-c", program], input=sent, capture_output=True)
    assert (other.stdout, other.stderr) == (b"41\n", b"")


def test_what_cannot_leave_this_process_is_refused_by_name():
    lock = threading.Lock()

    def make_model():
        return lock

    with pytest.raises(BadInput, match="make_model cannot be sent to another process: cannot pickle"):
        as_bytes(make_model, [make_model])


def test_a_pack_goes_on_from_its_last_checkpoint_and_travels_without_its_rows():
    [job] = jobs_of(table(), [tenfold.Recipe(epochs=3)])
    assert isinstance(job, TravellingJob)
    assert job.after(Message("epoch", job.key, 1, {}, {})) is job
    assert job.after(Message("checkpoint", job.key, 2, {"a": 1}, {"b": 2})).saved == ({"a": 1}, {"b": 2})
    shared = []

    def share(value):
        shared.append(value)
        return table

    sent = as_bytes(job.packed(share, 2), [table])
    assert shared == [job.problem]
    assert len(sent) < job.problem.inputs.numbers.nbytes
    told, mine = [], []
    pickle.loads(sent)(told.append, lambda: "go on")
    job(mine.append, lambda: "go on")
    assert [message.epoch for message in told] == [message.epoch for message in mine]
    assert {n: a.tobytes() for n, a in told[-1].arrays.items()} == {n: a.tobytes() for n, a in mine[-1].arrays.items()}


FIT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal: a shell's background jobs ignore it
from tenfold.cli.main import entry
entry()
"""


@pytest.mark.slow
def test_the_command_line_stops_resumes_and_leaves_nothing_of_ray(tmp_path):
    (tmp_path / "space.yaml").write_text("{epochs: 600, optimizer: {adam: {lr: [0.001, 0.003]}}}")
    fit = ["fit", "sklearn:breast_cancer", "--space", "space.yaml", "--keep", "refit", "--seed", "3"]

    def run(*arguments):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, "-c", FIT, *arguments], cwd=tmp_path, start_new_session=True, **pipes)

    here = run(*fit, "--out", "here")
    with run(*fit, "--engine", "ray", "--out", "there") as there:
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(iter(there.stdout.readline, "")))
        reader.start()
        while not any("% trained" in line for line in lines) and there.poll() is None:
            time.sleep(0.1)
        os.killpg(there.pid, signal.SIGINT)  # as a terminal does, to all processes of the group
        reader.join()
        said = there.stderr.read()
        assert there.wait() == 130
    assert said == ("tenfold: stopped; nothing that was committed is lost\n  go on with: tenfold resume there\n")
    assert any(line.startswith("note     packs are trained on Ray on this machine, ") for line in lines)
    assert not processes_of_ray(there.pid)
    again = subprocess.run([sys.executable, "-c", FIT, "resume", "there"], cwd=tmp_path, capture_output=True, text=True)
    assert (again.returncode, again.stderr) == (0, "")
    assert "packs are trained on Ray on this machine, " in again.stdout
    assert here.communicate()[1] == ""
    for name in ("leaderboard.csv", "trials.csv", "metrics.csv", "model/model.safetensors"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def processes_of_ray(group):
    """The living processes of a group."""
    listed = subprocess.run(["ps", "-eo", "pgid,stat,args"], capture_output=True, text=True).stdout.splitlines()
    return [line for line in listed if line.split()[0] == str(group) and not line.split()[1].startswith("Z")]

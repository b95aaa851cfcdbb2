"""Ray as an executor: on a real cluster of several nodes on this machine, whose workers and nodes are killed in the
middle of a search, and what is refused before anything is trained."""

import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

import tenfold
from tenfold.errors import BadInput, RunFailed, Stopped
from tenfold.executors.choose import opened_cluster
from tenfold.executors.own_code import as_bytes, own_modules
from tenfold.executors.protocol import TravellingJob
from tenfold.problem.from_arrays import understand
from tenfold.problem.settings import Settings
from tenfold.run.checkpoint_journal import CHECKPOINT, RunJournal
from tenfold.search.context import Journal, SearchContext
from tenfold.search.job import Message
from tenfold.search.racing import Strategy
from tenfold.search.records import EpochRecorder
from tenfold.search.search import Given, SearchPlan, SearchRun, train_all
from tenfold.store.run_directory import Run

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
    import ray._private.utils as ray_utils
    from ray.cluster_utils import Cluster

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": {"worker_niceness": 0}}
    folder = tempfile.mkdtemp(prefix="ray-")  # a path of sockets must be short
    head |= {"ray_client_server_port": port, "temp_dir": folder}
    # A cluster of its tests notes its address where Ray has its folder by default, which a fresh machine lacks.
    Path(ray_utils.get_ray_address_file(None)).parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of Ray's own
        cluster = Cluster(initialize_head=True, connect=False, head_node_args=head)
        for _ in range(2):
            cluster.add_node(num_cpus=1)
    cluster.client_port = port
    yield cluster
    cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


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


def test_folders_of_killed_processes_are_removed(tmp_path, monkeypatch):
    from tenfold.executors import ray_cluster

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    gone, alive = f"tenfold-ray-{ended.pid}-ab", f"tenfold-ray-{os.getpid()}-cd"
    for name in (gone, alive, "tenfold-ray-other"):
        (tmp_path / name / "session").mkdir(parents=True)
    ray_cluster._remove_left_folders()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive, "tenfold-ray-other"])


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
            os.kill(workers_of_ours()[0], signal.SIGKILL)
        else:
            for process in nodes.list_all_nodes()[-1].all_processes["raylet"]:
                os.kill(process.process.pid, signal.SIGKILL)
        killed.append(message.pack)
        epoch.clear()

    journal, told = _Messages(kill), []
    found = searched(problem, recipes, nodes.address, journal=journal, every=0.3, on_epochs=told.extend)
    nodes.remove_node(nodes.list_all_nodes()[-1])
    nodes.add_node(num_cpus=1)
    same_bits(expected, found)
    assert len(killed) == 2
    assert lost_epochs(journal.seen) >= 1
    places = [(each.recipe, each.fold, each.epoch) for each in told]
    assert len(places) == len(set(places)) == found.epochs()[0]


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
@pytest.mark.parametrize("kind", ["images", "module", "categories in three ways", "numbers with a metric of one's own"])
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
    elif kind.startswith("categories"):
        x = pd.DataFrame({"level": rng.integers(0, 30, 300).astype(str), "number": rng.normal(size=300)})
        y = np.where(rng.random(300) < 0.2, 1, x["level"].str.len() - 1)
        ways = {"categories": ["one_hot", "target_means", "embedded"], "epochs": 5}
        recipes = tenfold.Space.from_dict({**ways, "optimizer": {"adam": {"lr": [1e-2, 1e-3]}}}).sample(6, seed=0)
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
def test_an_estimator_is_searched_on_the_cluster(nodes):
    x, y = load_breast_cancer(return_X_y=True)
    space = tenfold.Space.from_dict({**SPACE, "epochs": 4})
    how = {"trials": 4, "folds": 3, "random_state": 0, "device": "cpu"}
    expected = tenfold.Classifier(space, **how).fit(x, y)
    found = tenfold.Classifier(space, **how, engine="ray", address=nodes.address).fit(x, y)
    same_bits(expected.search_.trained, found.search_.trained)
    assert np.array_equal(expected.predict_proba(x), found.predict_proba(x))


@pytest.mark.slow
def test_a_search_that_is_stopped_goes_on_from_its_checkpoints(nodes, tmp_path):
    problem = table()
    recipes = tenfold.Space.from_dict({**SPACE, "epochs": 900}).sample(4, seed=0)
    expected = searched(problem, recipes, None)
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


class WideJob:
    """A job that several cores can do together, and tells how many it has."""

    own_code, width = (), 4

    def packed(self, share, threads):
        return lambda emit, order: emit(threads)

    def after(self, message):
        return self


@pytest.mark.slow
def test_a_job_alone_takes_the_cores_of_one_machine(nodes):
    node, got = nodes.add_node(num_cpus=2), []
    try:
        with opened_cluster("ray", nodes.address) as cluster:
            assert cluster.workers == 4
            cluster.executor(1).run([WideJob()], receive=got.append)
            cluster.executor(8).run([WideJob()] * 8, receive=got.append)
    finally:
        nodes.remove_node(node)
    assert got == [2] + 8 * [1]


@pytest.mark.slow
def test_a_job_that_kills_its_workers_ends_the_run(nodes):
    def deadly(emit, order):
        emit("begun")
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)

    got = []
    with (
        pytest.raises(
            RunFailed, match=r"a pack lost 3 workers in a row, the last on .* nothing that was committed is lost"
        ),
        opened_cluster("ray", nodes.address) as cluster,
    ):
        cluster.executor(1).run([deadly], receive=got.append)
    assert got == ["begun"] * 3


@pytest.mark.slow
def test_a_client_from_elsewhere_gets_the_same_bits(nodes):
    problem, recipes = table(), tenfold.Space.from_dict({**SPACE, "epochs": 8}).sample(3, seed=0)
    expected = searched(problem, recipes, None)
    same_bits(expected, searched(problem, recipes, f"ray://127.0.0.1:{nodes.client_port}"))


@pytest.mark.slow
def test_a_node_without_tenfold_is_refused(nodes, tmp_path):
    (tmp_path / "tenfold").mkdir()
    (tmp_path / "tenfold" / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'tenfold'\")")
    node = nodes.add_node(num_cpus=1, env_vars={"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"})
    try:
        with pytest.raises(
            BadInput, match="a worker cannot be started: ModuleNotFoundError: No module named 'tenfold'"
        ):
            searched(table(), [tenfold.Recipe(epochs=2)], nodes.address)
    finally:
        nodes.remove_node(node)


@pytest.mark.slow
def test_what_a_worker_cannot_import_is_refused_by_name(nodes, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "my_blocks.py").write_text("import torch\nblock = torch.nn.Linear\n")
    (tmp_path / "my_network.py").write_text(
        "import my_blocks\n\ndef net(outputs):\n    return my_blocks.block(30, outputs)\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    monkeypatch.syspath_prepend(tmp_path)
    import my_network

    recipe = tenfold.Recipe(network=tenfold.Module(my_network.net), epochs=2)
    with pytest.raises(BadInput, match=r"net cannot be read by Ray's workers: ModuleNotFoundError: .*my_blocks"):
        searched(table(), [recipe], nodes.address)


@pytest.mark.slow
def test_a_cluster_that_was_joined_is_left_alone_and_its_noise_unheard(nodes, tmp_path):
    (tmp_path / "space.yaml").write_text("{epochs: 3000, optimizer: {adam: {lr: [0.001, 0.003]}}}")
    fit = ["fit", "sklearn:breast_cancer", "--space", "space.yaml", "--keep", "refit", "--out", "run"]
    with program(tmp_path, *fit, "--engine", "ray", "--address", nodes.address) as running:
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(iter(running.stdout.readline, "")))
        reader.start()
        while not any("% trained" in line for line in lines) and running.poll() is None:
            time.sleep(0.1)
        os.kill(workers_of_ours()[0], signal.SIGKILL)
        reader.join()
        assert (running.stderr.read(), running.wait()) == ("", 0)
    assert not [line for line in lines if "raylet" in line or "ray::" in line]
    assert any(f"packs are trained on Ray at {nodes.address}, 2 cores on 3 nodes" in line for line in lines)
    deadline = time.monotonic() + 60
    while workers_of_ours() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not workers_of_ours()
    with Run.open(tmp_path / "run") as run:
        assert "lost_workers" in [name for _, name, _ in run.events()]
    # it still works
    searched(table(), [tenfold.Recipe(epochs=2)], nodes.address)


@pytest.mark.slow
def test_ray_that_was_started_here_ends_with_a_killed_process(tmp_path):
    (tmp_path / "space.yaml").write_text("{epochs: 30000, optimizer: {adam: {lr: [0.001, 0.003]}}}")
    with program(tmp_path, "fit", "sklearn:breast_cancer", "--space", "space.yaml", "--engine", "ray") as running:
        while "% trained" not in running.stdout.readline() and running.poll() is None:
            pass
        ours = workers_of_ours()
        assert ours
        running.kill()
        running.wait()
    deadline = time.monotonic() + 240  # Ray's agents try for a minute to report that their node is gone
    while (processes_of_ray(running.pid) or set(ours) & set(workers_of_ours())) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not processes_of_ray(running.pid)
    assert not set(ours) & set(workers_of_ours())


def workers_of_ours():
    """The processes of our workers."""
    return list(
        map(int, subprocess.run(["pgrep", "-f", "^ray::RayWorker"], capture_output=True, text=True).stdout.split())
    )


FIT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal: a shell's background jobs ignore it
from tenfold.cli.main import entry
entry()
"""


def program(folder, *arguments):
    """The command line in a folder and a process group of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", FIT, *arguments], cwd=folder, start_new_session=True, **pipes)


@pytest.mark.slow
def test_the_command_line_stops_resumes_and_leaves_nothing_of_ray(tmp_path):
    (tmp_path / "space.yaml").write_text("{epochs: 600, optimizer: {adam: {lr: [0.001, 0.003]}}}")
    fit = ["fit", "sklearn:breast_cancer", "--space", "space.yaml", "--keep", "refit", "--seed", "3"]
    here = program(tmp_path, *fit, "--out", "here")
    with program(tmp_path, *fit, "--engine", "ray", "--out", "there") as there:
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(iter(there.stdout.readline, "")))
        reader.start()
        while not any("% trained" in line for line in lines) and there.poll() is None:
            time.sleep(0.1)
        os.killpg(there.pid, signal.SIGINT)  # as a terminal does, to all processes of the group
        reader.join()
        said = there.stderr.read()
        assert there.wait() == 130
    stopped = "tenfold: stopped; at most the last 15 seconds of training are made again"
    assert said == f"{stopped}\n  go on with: tenfold resume there\n"
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

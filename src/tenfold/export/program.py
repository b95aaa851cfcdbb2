"""The winner of a run as a plain PyTorch program: it reads the file, encodes the rows, trains and predicts by itself.

The text is that of `templates/program.j2`, of which only what the recipe uses is taken. What has no lines there is
named in a refusal.
"""

from __future__ import annotations

import csv
import gzip
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tenfold.data.columns.dates import DateWriting
from tenfold.data.columns.durations import FORMATS
from tenfold.data.columns.kinds import FALSE, TRUE
from tenfold.data.columns.missing import missing_words
from tenfold.data.columns.schema import ColumnSchema, Schema
from tenfold.data.columns.writing import Writing
from tenfold.data.feed.batches import Dealing
from tenfold.data.feed.encode import LEAST_LEVELS
from tenfold.engine.operations.activation import ActivationOp
from tenfold.engine.operations.bins import BinsOp
from tenfold.engine.operations.column_map import ColumnMapOp
from tenfold.engine.operations.dense import DenseOp
from tenfold.engine.operations.dropout import DropoutOp
from tenfold.engine.operations.lookup import LookupOp
from tenfold.engine.operations.normalization import NormalizeOp
from tenfold.engine.operations.operation import PlannedOp
from tenfold.engine.operations.parametric import ParametricOp
from tenfold.engine.operations.periodic import PeriodicOp
from tenfold.engine.operations.scale import ScaleOp
from tenfold.engine.operations.views import HeadsOp, ViewsOp
from tenfold.engine.plan.network import plan_recipe
from tenfold.errors import BadInput
from tenfold.formatting import listed
from tenfold.model.member import Member
from tenfold.model.model import Model
from tenfold.problem.from_file import Prepared
from tenfold.problem.outputs import MOST_LOG_RATE
from tenfold.recipe.module import Module
from tenfold.recipe.recipe import Recipe, loss_of
from tenfold.rules.record import numbers, rule_name

PREPROCESSING = ("none", "center", "standardize", "min_max", "robust_clip", "quantile_normal")
INITIALIZATION = ("he", "lecun", "xavier", "data_driven")
OPTIMIZERS = (
    "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "nadam", "amsgrad", "adamw",
)  # fmt: skip
SCHEDULES = ("none", "linear", "cosine", "flat_cos", "coslog", "one_cycle", "exponential", "inverse_time", "step")
LOSSES = ("cross_entropy", "hinge", "squared", "absolute", "huber", "poisson")
DELIMITERS = ",;\t|"


def heaviest_member(model: Model) -> Member:
    """A member of the recipe that has the largest share of the prediction."""
    return max(model.alike, key=lambda members: sum(member.share for member in members))[0]


def training_program(model: Model, prepared: Prepared, name: str) -> str:
    """The text of a program that trains the heaviest recipe of a model as the run did, on all rows of a file.

    name: of the program's file. Raises `BadInput` that names what the program has no lines for: a rule, a layer, a way
    in which the file is written.
    """
    schema = prepared.schema
    if any(isinstance(member.recipe.network, Module) for member in model.members):
        found = "a training program around a network of your own, whose code is in your file"
        raise BadInput(found, expected="a network of our layers", do="Model.module in Python, with tenfold.load")
    if schema is None:
        from tenfold.export.image_program import image_program

        return image_program(model, prepared, name)
    member = heaviest_member(model)
    delimiter = _delimiter(prepared, schema)
    refuse_unknown(member.recipe, bool(model.classes))
    network = _network(model, member)
    return rendered(
        "program.j2", name=in_docstring(name),
        title=in_docstring(f"Trains the network that predicts {prepared.target!r} of {prepared.name!r}."),
        about=about_program(model, member), delimiter=repr(delimiter), **_file(schema, prepared),
        **_inputs(schema, member), **network, **training_lines(model, member, prepared, network["used"]),
    )  # fmt: skip


def rendered(template: str, **values: Any) -> str:
    """The text of a program."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tenfold.export"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    return environment.get_template(template).render(**values).rstrip("\n") + "\n"


def about_program(model: Model, member: Member) -> list[str]:
    """What the program trains, and how that is less than the run's model."""
    lines = [f"The network: {member.recipe.describe()}."]
    if len(model.alike) > 1:
        lines.append(
            f"The run's model is a blend of {len(model.alike)} recipes; this is the one with the largest share."
        )
    if len(model.members) > 1:
        lines.append(f"The run's model is the mean of {len(model.members)} networks; this program trains one.")
    lines.append("It is trained as in the run, but for the numbers that are drawn: the score is that of another seed.")
    return [line for text in lines for line in textwrap.wrap(text, 112)]


def refuse_unknown(recipe: Recipe, classification: bool, preprocessing: Sequence[str] = PREPROCESSING) -> None:
    """Raise `BadInput` where the program has no lines for a part of the recipe."""
    loss = loss_of(recipe, classification)
    parts = {
        "preprocess": (recipe.preprocess, preprocessing), "init": (recipe.init, INITIALIZATION),
        "optimizer": (recipe.optimizer, OPTIMIZERS), "decay": (recipe.decay, SCHEDULES), "loss": (loss, LOSSES),
        "weight_decay_schedule": (recipe.weight_decay_schedule, SCHEDULES),
        "dropout_schedule": (recipe.dropout_schedule, SCHEDULES),
    }  # fmt: skip
    odd = [f"{field} {rule_name(rule)}" for field, (rule, known) in parts.items() if rule_name(rule) not in known]
    fields = (("l1", recipe.l1), ("max_norm", recipe.max_norm), ("weight_average", recipe.weight_average))
    odd += [field for field, value in fields if value]
    odd += _odd_optimizer(recipe.optimizer)
    init: Any = recipe.init
    odd += ["an init with biases or a silent output layer"] if init.bias != 0 or init.zero_last else []
    if rule_name(init) == "data_driven":
        odd += [] if init.bias_rows else ["data_driven without bias_rows"]
    elif rule_name(init) in INITIALIZATION:
        usual = init.distribution in ("normal", "uniform") and init.gain != "activation"
        odd += [] if usual else [f"{rule_name(init)} truncated or with the activation's gain"]
    decay: Any = recipe.decay
    odd += ["a cosine with restarts"] if getattr(decay, "restarts", 0) else []
    odd += ["a one_cycle that moves the momentum"] if getattr(decay, "cycle_momentum", False) else []
    factors = recipe.rate_factors
    odd += ["rate_factors first_layer"] if factors.first_layer != 1 else []
    frozen = [factors.bias, factors.scale, factors.embedding, factors.parametric, factors.categories]
    odd += ["a rate factor of 0"] if 0 in frozen else []
    if odd:
        raise BadInput(
            f"the training program has no lines for {listed(odd, 6)}",
            expected="a recipe of rules that every table's default space has",
            do="an .onnx file, which takes all recipes",
        )


def _odd_optimizer(optimizer: Any) -> list[str]:
    """In which form of an optimizer torch has none."""
    name = rule_name(optimizer)
    odd = ["a momentum that rises"] if getattr(optimizer, "momentum_from", None) is not None else []
    usual = getattr(optimizer, "bias_correction", name != "rmsprop") != (name == "rmsprop")
    usual = usual and getattr(optimizer, "eps_form", "outside") == "outside"
    usual = usual and not getattr(optimizer, "eps_inside", False) and getattr(optimizer, "of", "raw") == "raw"
    usual = usual and getattr(optimizer, "momentum_decay", 0.0) is not None
    usual = usual and (name == "adagrad" or not getattr(optimizer, "initial_scale", 0.0))
    return odd if usual or name not in OPTIMIZERS else [*odd, f"{name}'s other forms"]


def _delimiter(prepared: Prepared, schema: Schema) -> str:
    """The delimiter of the file, which pandas must read as the run did. Raises `BadInput` where it would not."""
    source = prepared.settings.data
    path = Path(source)
    refused: Any = {"where": source, "do": "write the rows as a plain CSV file, with one line of names, and fit that"}
    kinds = set(path.suffixes[-2:]) & {".csv", ".tsv", ".txt"}
    if not kinds or not path.is_file():
        raise BadInput("the training program reads .csv and .tsv files", **refused)
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput("the file is not UTF-8, which the training program reads", **refused) from None
    header = text.splitlines()[0]
    wanted = {column.name for column in schema.used} | {schema.target}
    for delimiter in sorted(DELIMITERS, key=header.count, reverse=True):
        lines = [line for line in csv.reader(text.splitlines(keepends=True), delimiter=delimiter) if line]
        if not wanted <= {cell.strip() for cell in lines[0]}:
            continue
        with_target, *_, without = prepared.rows
        same = len(lines) - 1 == with_target + without and all(len(line) == len(lines[0]) for line in lines)
        place = [cell.strip() for cell in lines[0]].index(schema.target)
        words = missing_words(schema.reading.missing)
        targets = {line[place].strip() for line in lines[1:] if line[place].strip() not in words} if same else set()
        if same and _plain_targets(targets, schema.classes):
            return delimiter
    raise BadInput(
        "the file has more than a line of names and rows of plain cells, or its target is written with a unit",
        **refused,
    )


def _plain_targets(cells: set[str], classes: Sequence[str]) -> bool:
    if classes:
        return cells <= set(classes)
    try:
        return all(abs(float(cell)) < float("inf") for cell in cells)
    except ValueError:
        return False


def _file(schema: Schema, prepared: Prepared) -> dict[str, Any]:
    """What the program is told about the file: its columns, and how each is written."""
    lines = [_column_line(column) for column in schema.used]
    kinds = {column.cell_kind for column in schema.used}
    words = dict.fromkeys(sorted({*TRUE, "1"}), 1.0) | dict.fromkeys(sorted({*FALSE, "0"}), 0.0)
    return {
        "target": literal(schema.target), "columns": _wrapped([column.name for column in schema.used]),
        "classes": literal(list(schema.classes)) if schema.classes else "",
        "missing": _wrapped(sorted(missing_words(schema.reading.missing).words)),
        "column_lines": lines, "booleans": words,
        "kinds": {
            "number": "number" in kinds or not schema.classes, "boolean": "boolean" in kinds, "date": "date" in kinds,
        },
        "may_lack": literal([column.name for column in schema.used if column.kind != "category"]),
    }  # fmt: skip


def literal(value: Any) -> str:
    """A text, a number, or a list or a mapping of such, as Python has it; no text can end it."""
    # An escape of JSON has characters beyond 16 bits as two, which Python would take for two.
    return json.dumps(value, ensure_ascii=False)


def in_docstring(text: str) -> str:
    """Text that cannot end the docstring in which it stands."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _wrapped(words: Sequence[str]) -> str:
    """A list of texts over several lines."""
    lines = textwrap.wrap(", ".join(map(literal, words)), 110, break_long_words=False, break_on_hyphens=False)
    return "\n    ".join(["[", *lines]) + "\n]"


def _column_line(column: ColumnSchema) -> str:
    """The line of the program that reads a column."""
    name = literal(column.name)
    cells = f"table[{name}]"
    if column.kind == "category":
        return f'categories[{name}] = {cells}.mask(is_missing({cells}), "")'
    if column.kind == "date":
        writing = DateWriting.of(column.format)
        day_first = writing.rule.startswith("day")
        return f"numbers |= date({name}, {cells}, {writing.precision!r}, {day_first}, {writing.zoned})"
    if column.cell_kind == "boolean":
        return f"numbers[{name}] = boolean({cells})"
    if column.format in FORMATS:
        found = f"column '{column.name}' has times such as '{column.example}'"
        raise BadInput(f"{found}, for which the training program has no lines", do="an .onnx file")
    writing = Writing.of(column.format)
    options = {"mark": (writing.mark, "."), "group": (writing.group, ""), "before": (writing.before, ""),
               "after": (writing.after, "")}  # fmt: skip
    said = "".join(f", {option}={value!r}" for option, (value, usual) in options.items() if value != usual)
    return f"numbers[{name}] = number({cells}{said})"


def _inputs(schema: Schema, member: Member) -> dict[str, Any]:
    """What the program is told about the encoding of the inputs."""
    recipe, rule = member.recipe, member.recipe.preprocess
    columns = [column for column in schema.used if column.kind != "category"]
    places: list[str] = []
    for column in columns:
        places += [column.name] * (7 if column.kind == "date" else 1)
    integers = {places[column]: values.tolist() for column, values in member.integers}
    many = [column.name for column in schema.used if column.kind == "category" and len(column.levels) >= LEAST_LEVELS]
    many += [f"{name} as a category" for name, values in integers.items() if len(values) >= LEAST_LEVELS]
    return {
        "integers": literal(integers) if integers else "",
        "means": literal(many) if member.means else "",
        "tables": literal(many) if member.encoding.levels else "",
        "preprocess": rule_name(rule), "rule": rule, "clip_predictions": recipe.clip_predictions,
    }  # fmt: skip


def _network(model: Model, member: Member) -> dict[str, Any]:
    """What the program is told about the network: its layers, and what they start from."""
    recipe = member.recipe
    steps = plan_recipe(recipe, member.size(len(model.classes) or 1, None))
    layers, used = _layers(steps)
    views = next((step.op for step in steps if isinstance(step.op, ViewsOp)), None)
    waves = next((step.op for step in steps if isinstance(step.op, PeriodicOp)), None)
    bins = next((step.op for step in steps if isinstance(step.op, BinsOp)), None)
    init: Any = recipe.init
    return {
        "layers": layers, "used": used, "views": views is not None, "embedded": bool(views and views.embedded),
        "phases": bool(waves and waves.phases), "bins": bins.outside if bins else 0, "needs_edges": bins is not None,
        "dropouts": "nn.Dropout", "batch_inputs": "x[rows]",
        "linear_layers": "nn.Linear | Heads" if views else "nn.Linear", "init": rule_name(init), "rule_of_init": init,
        "draw": "" if rule_name(init) == "data_driven" else draw_line(init),
        "probabilities": _readable(bool(model.classes), views is not None, model),
        "outputs_of_new": "network(encoder(*rows_of_new))",
    }  # fmt: skip


def _readable(classification: bool, views: bool, model: Model) -> str:
    """From the outputs for new rows to probabilities, or standardized numbers."""
    if not classification:
        return "outputs.mean(1)" if views else "outputs"
    # Of a mean of networks the temperature fits the mean, not this one.
    calm = f" / {model.temperature!r}" if model.temperature != 1 and len(model.members) == 1 else ""
    if not views:
        return f"(logits{calm}).softmax(1)" if calm else "logits.softmax(1)"
    mean = "logits.softmax(2).mean(1)"
    return f"(({mean}).log(){calm}).softmax(1)" if calm else mean


def draw_line(init: Any) -> str:
    """The line that draws the weights of a layer."""
    fan = {"fan_in": "inputs", "fan_out": "units", "average": "((inputs + units) / 2)"}[init.fan]
    size = f"{init.gain!r} * {fan} ** -0.5"
    if init.distribution == "normal":
        return f"nn.init.normal_(layer.weight, 0.0, {size})"
    return f"nn.init.uniform_(layer.weight, -math.sqrt(3) * {size}, math.sqrt(3) * {size})"


def _layers(steps: Sequence[PlannedOp]) -> tuple[list[str], set[str]]:
    """The lines of the layers, and the classes that they use. Raises `BadInput` that names a layer without lines."""
    lines: list[str] = []
    used: set[str] = set()
    width, column = "width", "numeric"  # of what flows, as the program computes it

    def add(kind: str, *arguments: object) -> None:
        used.add(kind)
        lines.append(f"{kind}({', '.join(map(str, arguments))})")

    for step in steps:
        op, layer = step.op, step.layer
        match op:
            case LookupOp():
                add("Lookup", "numeric", "tables")
                width = "numeric + others"
            case DropoutOp() if not op.channels:
                if layer.rate:
                    lines.append(f"nn.Dropout({layer.rate!r})")
            case PeriodicOp():
                add("Waves", column, op.frequencies, repr(layer.sigma))
                width = f"numeric * {op.outside} + others"
            case BinsOp() if layer.edges == "quantiles":
                add("Bins", "edges")
                width = f"numeric * {op.outside} + others"
            case ColumnMapOp():
                add("ColumnMap", column, op.taken, op.made, op.kept, op.relu)
                width = f"numeric * {op.outside} + others"
            case ScaleOp():
                add("Scale", width)
            case ViewsOp():
                add("Views", op.count, width, column, op.size)
            case HeadsOp():
                add("Heads", op.count, width, op.units)
            case DenseOp() if op.pieces == 1:
                lines.append(f"nn.Linear({width}, {op.units}{'' if op.bias else ', bias=False'})")
                width = str(op.units)
            case NormalizeOp() if op.groups <= 1 and not (op.groups == 0 and layer.average != "exponential"):
                batch = (
                    f"nn.BatchNorm1d({width}, eps={layer.eps!r}, momentum={1 - layer.keep:.12g})"
                    if not op.groups
                    else ""
                )
                lines.append(batch or f"nn.LayerNorm({width}, eps={layer.eps!r})")
            case ParametricOp():
                add("Parametric", width, _activation(layer.mixed))
            case ActivationOp() if _activation(layer):
                lines.append(_activation(layer))
            case _:
                what = rule_name(layer) if layer is not None else op.name
                raise BadInput(f"the training program has no lines for the layer {what}", do="an .onnx file")
    return lines, used


def _activation(rule: Any) -> str:
    """An activation as a layer of torch; "" where torch has none that is the same."""
    if rule.torch_layer_name is None:
        return ""
    return f"nn.{rule.torch_layer_name}({', '.join(map(repr, numbers(rule)))})"


def training_lines(
    model: Model, member: Member, prepared: Prepared, used: set[str], linear: str = ""
) -> dict[str, Any]:
    """What the program is told about the training. used: classes of the program; linear: of its affine layers."""
    recipe = member.recipe
    per_epoch = Dealing.of(prepared.problem.folds, recipe.batch_size).updates
    optimizer: Any = recipe.optimizer
    decoupled = optimizer.decoupled
    schedules = [
        *_schedule("rate", recipe.decay, "of the learning rate"), "", "",
        *_schedule("dropout_trend", recipe.dropout_schedule, "of the dropout"),
    ]  # fmt: skip
    if recipe.weight_decay:
        schedules += ["", "", *_schedule("decay_trend", recipe.weight_decay_schedule, "of the weight decay")]
    comment = (
        "torch multiplies it by the layer's rate, and it is meant for the one of all."
        if decoupled
        else "Of weights alone."
    )
    full = recipe.batch_size == "full"
    return {
        "updates": member.updates, "scheduled": per_epoch * recipe.epochs, "per_epoch": per_epoch,
        "batch": None if full else recipe.batch_size, "batch_rows": "len(x)" if full else "BATCH",
        "optimizer": optimizer, "optimizer_line": _optimizer_line(optimizer), "schedule_lines": schedules,
        "factor_lines": _factor_lines(recipe, used, linear), "weight_decay": recipe.weight_decay,
        "decoupled": decoupled, "decay_comment": comment, "clip_norm": recipe.clip_norm,
        "clip_value": recipe.clip_value,
        "most_log_rate": MOST_LOG_RATE, "loss_line": _loss_line(loss_of(recipe, bool(model.classes))),
        "loss": rule_name(loss_of(recipe, bool(model.classes))), "kind_of_loss": getattr(recipe.loss, "kind", ""),
    }  # fmt: skip


def _optimizer_line(optimizer: Any) -> str:
    match rule_name(optimizer):
        case "adam" | "adamw" as name:
            kind = {"adam": "Adam", "adamw": "AdamW"}[name]
            betas = f"betas=({optimizer.beta1!r}, {optimizer.beta2!r}), eps={optimizer.eps!r}"
            return f"torch.optim.{kind}(groups, lr=RATE, {betas}, weight_decay=0.0)"
        case "nadam" | "amsgrad" as name:
            betas = f"betas=({optimizer.beta1!r}, {optimizer.beta2!r}), eps={optimizer.eps!r}"
            if name == "amsgrad":
                return f"torch.optim.Adam(groups, lr=RATE, {betas}, amsgrad=True)"
            return f"torch.optim.NAdam(groups, lr=RATE, {betas}, momentum_decay={optimizer.momentum_decay!r})"
        case "adagrad":
            begin = f"initial_accumulator_value={optimizer.initial_scale!r}"
            return f"torch.optim.Adagrad(groups, lr=RATE, eps={optimizer.eps!r}, {begin})"
        case "rmsprop":
            return f"torch.optim.RMSprop(groups, lr=RATE, alpha={optimizer.rho!r}, eps={optimizer.eps!r})"
        case "adadelta":
            return f"torch.optim.Adadelta(groups, lr=RATE, rho={optimizer.rho!r}, eps={optimizer.eps!r})"
        case "sgd":
            return "torch.optim.SGD(groups, lr=RATE)"
        case name:
            nesterov = ", nesterov=True" if name == "nesterov" else ""
            return f"torch.optim.SGD(groups, lr=RATE, momentum={optimizer.momentum!r}{nesterov})"


def _schedule(name: str, rule: Any, what: str) -> list[str]:
    """The function of a schedule."""
    lines = [f"def {name}(update):", f'    """The factor {what} after so many updates."""']
    kind = rule_name(rule)
    total = "SCHEDULED"
    if rule.warmup:
        rise = f"min(round({rule.warmup!r} * SCHEDULED), SCHEDULED - 1)"
        lines += [
            f"    rise = {rise}",
            "    if update < rise:",
            "        return (update + 1) / (rise + 1)",
            "    update -= rise",
        ]
        total = "(SCHEDULED - rise)"
    if kind in ("exponential", "inverse_time", "step"):
        clock = {
            "updates": "update",
            "epochs": "update / UPDATES_AN_EPOCH",
            "whole_epochs": "update // UPDATES_AN_EPOCH",
        }
        lines.append(f"    time = {clock[rule.time]}")
    formulas = {
        "none": lambda: "1.0",
        "linear": lambda: f"1 - {1 - rule.end!r} * min(update / {total}, 1.0)",
        "cosine": lambda: f"{rule.end!r} + {1 - rule.end!r} * (1 + math.cos(math.pi * min(update / {total}, 1.0))) / 2",
        "flat_cos": lambda: f"{rule.end!r} + {1 - rule.end!r} * (1 + math.cos(math.pi * turn)) / 2",
        "one_cycle": lambda: "rising if update <= top else falling",
        "coslog": lambda: "(1 - math.cos(2 * math.pi * turns)) / 2",
        "exponential": lambda: f"math.exp(-{rule.k!r} * time)",
        "inverse_time": lambda: f"1 / (1 + {rule.k!r} * time)",
        "step": lambda: f"{rule.drop!r} ** (time // {rule.every!r})",
    }
    if kind == "flat_cos":
        lines.append(f"    turn = min(max((update / {total} - {rule.flat!r}) / {1 - rule.flat!r}, 0.0), 1.0)")
    if kind == "coslog":
        longest = f"({rule.base!r} ** {rule.cycles!r} - 1)"
        lines.append(f"    turns = math.log(1 + {longest} * min(update / {total}, 1.0), {rule.base!r})")
    if kind == "one_cycle":
        first, last = 1 / rule.start, 1 / (rule.start * rule.end)
        lines += [
            f"    top = {rule.rise!r} * {total} - 1",
            f"    down = min(max((update - top) / ({total} - 1 - top), 0.0), 1.0)",
            f"    rising = 1 + {first - 1!r} * (1 + math.cos(math.pi * (update / top if top > 0 else 1.0))) / 2",
            f"    falling = {last!r} + {1 - last!r} * (1 + math.cos(math.pi * down)) / 2",
        ]
    return [*lines, f"    return {formulas[kind]()}"]


def _factor_lines(recipe: Recipe, used: set[str], linear: str) -> list[str]:
    """What `factor_of` of the program decides, line by line. used: classes of the program."""
    factors = recipe.rate_factors
    linear = linear or ("nn.Linear | Heads" if "Heads" in used else "nn.Linear")
    cases = [
        (sorted(used & {"Waves", "ColumnMap"}), factors.embedding),
        (sorted(used & {"Lookup"}), factors.categories),
        (sorted(used & {"Scale"}), factors.scale),
        (sorted(used & {"Parametric"}), factors.parametric),
    ]
    lines: list[str] = []
    for kinds, factor in cases:
        if kinds and factor != 1:
            lines += [f"if isinstance(layer, {' | '.join(kinds)}):", f"    return {factor!r}"]
    if factors.bias != 1:
        lines += [f'if isinstance(layer, {linear}) and name == "bias":', f"    return {factors.bias!r}"]
    if factors.fan_in:
        lines += [f'if isinstance(layer, {linear}) and name == "weight":', "    return layer.weight.shape[1] ** -0.5"]
    return lines


def _loss_line(loss: Any) -> str:
    match rule_name(loss):
        case "cross_entropy":
            return f"nn.functional.cross_entropy(outputs, target, label_smoothing={loss.smoothing!r})"
        case "squared":
            return "nn.functional.mse_loss(outputs, target)"
        case "poisson":
            return "nn.functional.poisson_nll_loss(outputs, target)"
        case "hinge":
            return f"{loss.kind}(outputs, target, margin={loss.margin!r})"
        case "absolute":
            return "nn.functional.l1_loss(outputs, target)"
        case _:
            return f"nn.functional.huber_loss(outputs, target, delta={loss.delta!r})"

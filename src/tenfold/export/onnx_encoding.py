"""What a member of a model does to the columns before its network, as ONNX operations: `Member.encode`."""

from __future__ import annotations

import numpy as np

from tenfold.data.feed.integers import FewIntegers
from tenfold.data.feed.level_rows import columns_of_levels
from tenfold.export.onnx_columns import OnnxColumns
from tenfold.export.onnx_graph import OnnxGraph
from tenfold.model.member import Member
from tenfold.rules.preprocessing import Affine
from tenfold.rules.preprocessing.moments import FAR

Array = np.ndarray


def add_encoding(graph: OnnxGraph, columns: OnnxColumns, member: Member, *, image: bool) -> str:
    """The encoded and preprocessed rows (rows, width) float64. image: the numbers are pixels, of which none lacks."""
    numbers, encoding, count = columns.numbers, member.encoding, len(member.affine.shift)
    if image:
        return _affine(graph, numbers, member.affine)
    means = [_of_level(graph, columns, member, category, table) for category, table in member.means]
    made = graph.side_by_side([numbers, *means] if numbers else means) if numbers or means else ""
    pieces: list[str] = []
    gaps = ""
    if made:
        gaps = graph.call("IsNaN", made)
        filled = graph.call("Where", gaps, graph.constant(encoding.medians[None]), made)
        pieces.append(_affine(graph, filled, member.affine) if count else filled)
    # of an embedded category the row of its level in the tables that the network looks into
    pieces += [_of_level(graph, columns, member, c, rows[:, None].astype(np.float64)) for c, rows in encoding.levels]
    if len(encoding.indicators):
        of = graph.call("Gather", gaps, graph.constant(encoding.indicators.astype(np.int64)), axis=1)
        pieces.append(graph.cast(of, "DOUBLE"))
    embedded = {category for category, _ in encoding.levels}
    for category, slots in enumerate(encoding.slots):
        if category not in embedded:
            one_hot = np.eye(columns_of_levels(slots))[slots - slots.min()]  # (codes, columns)
            pieces.append(_of_level(graph, columns, member, category, one_hot))
    return graph.side_by_side(pieces)


def _of_level(graph: OnnxGraph, columns: OnnxColumns, member: Member, category: int, table: Array) -> str:
    """The row of a table (codes, columns) for each row's level: (rows, columns). The categories are those of the
    schema, then the integers that are categories too."""
    if category < len(columns.codes):
        return graph.call("Gather", graph.constant(table), columns.codes[category], axis=0)
    level = _levels(graph, columns.numbers, member.integers[category - len(columns.codes)])
    return graph.call("MatMul", level, graph.constant(table))


def _levels(graph: OnnxGraph, numbers: str, integers: FewIntegers) -> str:
    """Which code a whole number has, (rows, codes) float64 of one 1 each: a value, missing, unseen."""
    column = graph.call("Gather", numbers, graph.constant(np.array([integers.column])), axis=1)  # (rows, 1)
    known = graph.cast(graph.call("Equal", column, graph.constant(integers.values[None])), "DOUBLE")
    missing = graph.cast(graph.call("IsNaN", column), "DOUBLE")
    seen = graph.call("Add", graph.call("ReduceSum", known, graph.constant(np.array([1]))), missing)
    return graph.side_by_side([known, missing, graph.call("Sub", graph.constant(np.float64(1)), seen)])


def _affine(graph: OnnxGraph, x: str, affine: Affine) -> str:
    """`apply_affine`: (rows, columns) -> (rows, columns)."""
    z = graph.call("Div", graph.call("Sub", x, graph.constant(affine.shift)), graph.constant(affine.scale))
    if affine.rotation is not None:
        z = graph.call("MatMul", z, graph.constant(affine.rotation))
    if affine.knots is not None and affine.heights is not None:
        lines = zip(affine.knots, affine.heights, strict=True)
        z = graph.side_by_side([_on_line(graph, z, column, *line) for column, line in enumerate(lines)])
    if affine.limit is not None:
        limit, one = graph.constant(affine.limit), graph.constant(np.float64(1))
        far = _between(graph, graph.call("Div", z, limit), -FAR, FAR)
        root = graph.call("Sqrt", graph.call("Add", one, graph.call("Mul", far, far)))
        z = graph.call("Mul", limit, graph.call("Div", far, root))
    return z


def _on_line(graph: OnnxGraph, z: str, column: int, knots: Array, heights: Array) -> str:
    """`on_line` of one column, (rows, 1)."""
    x = graph.call("Gather", z, graph.constant(np.array([column])), axis=1)
    behind = graph.cast(graph.call("LessOrEqual", graph.constant(knots[None]), x), "INT64")  # (rows, knots)
    passed = graph.call("ReduceSum", behind, graph.constant(np.array([1])))
    least, most = graph.constant(np.int64(0)), graph.constant(np.int64(len(knots) - 2))
    left = graph.call("Sub", passed, graph.constant(np.int64(1)))
    left = graph.call("Min", graph.call("Max", left, least), most)

    def at(table: Array) -> str:
        return graph.call("Gather", graph.constant(table), left, axis=0)

    width = np.diff(knots)
    share = graph.call("Div", graph.call("Sub", x, at(knots)), at(np.where(width > 0, width, 1.0)))
    rise = graph.call("Mul", _between(graph, share, 0.0, 1.0), at(np.diff(heights)))
    return graph.call("Add", at(heights), rise)


def _between(graph: OnnxGraph, x: str, low: float, high: float) -> str:
    above = graph.call("Max", x, graph.constant(np.float64(low)))
    return graph.call("Min", above, graph.constant(np.float64(high)))

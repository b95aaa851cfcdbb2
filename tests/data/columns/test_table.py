"""Columns are found by name at once, however many there are; a name that is not there is answered with the nearest."""

import numpy as np
import pytest

from tenfold.data.columns.cells import Cells, TextTable
from tenfold.data.columns.conform import conform
from tenfold.data.columns.schema import decide_schema
from tenfold.data.columns.table import Column, Table
from tenfold.data.columns.target import Target
from tenfold.data.feed.encode import make_inputs
from tenfold.errors import BadInput


class CountedName(str):
    """A name that counts how often it is compared with another."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        CountedName.compared += 1
        return str.__eq__(self, other)


def wide_table(count):
    numbers = np.random.default_rng(0).normal(size=(count, 12))
    columns = (Column(CountedName(f"c{j}"), "number", values) for j, values in enumerate(numbers))
    return Table("wide", "wide", tuple(columns))


def schema_of(table):
    y = np.arange(table.rows) % 2
    return decide_schema(table, Target("y", "classification", "asked for", y, ("a", "b"), np.arange(table.rows), 0))


def text_table(table):
    makers = tuple(lambda c=c: Cells.of(c.name, [f"{v:.3f}" for v in c.values]) for c in table.columns)
    return TextTable(table.name, table.source, table.names, makers, True, (), np.arange(table.rows) + 2)


@pytest.mark.parametrize("new", [lambda table: table, text_table], ids=["typed", "text"])
def test_the_work_of_finding_columns_grows_with_their_number_and_not_with_its_square(new):
    def comparisons(count):
        table = wide_table(count)
        schema = schema_of(table)
        CountedName.compared = 0
        make_inputs(conform(new(table), schema)[0], schema)
        return CountedName.compared

    assert comparisons(800) <= 4.5 * comparisons(200) + 20


def test_a_column_is_found_by_its_name_in_a_table_and_in_what_is_made_of_it():
    table = wide_table(20)
    assert table.column("c7") is table.columns[7]
    assert table.drop("c7").column("c8").values is table.columns[8].values
    assert table.take(np.array([3])).column("c9").values == table.columns[9].values[3]
    with pytest.raises(BadInput, match="no column 'C7'"):
        table.column("C7")
    with pytest.raises(BadInput, match="no column 'c7'"):
        table.drop("c7").column("c7")


def test_of_two_columns_with_one_name_the_first_such_name_is_named():
    columns = [Column(name, "number", np.zeros(2)) for name in ("a", "b", "c", "b", "a")]
    with pytest.raises(BadInput, match="two columns are named 'a'"):
        Table("t", "t", tuple(columns))


def test_of_many_columns_under_other_names_those_alike_but_for_capitals_are_all_named_and_only_some_looked_for():
    table = wide_table(400)
    schema = schema_of(table)
    upper = [Column(f"C{j}", "number", table.columns[j].values) for j in range(30)]
    other = [Column(f"d{j}", "number", table.columns[j].values) for j in range(30, 400)]
    with pytest.raises(BadInput) as caught:
        conform(Table("t", "t", (*upper, *other)), schema)
    assert "400 columns are not there: 'c0', 'c1'" in caught.value.found
    assert "'C0', 'C1'" in caught.value.do
    assert "'C29'" in caught.value.do
    assert "'d399'" not in caught.value.do

"""YAML that is made to take all time or memory, to run code, or to be misread: refused in a few lines, in no time."""

import pytest

from tenfold.errors import BadInput
from tenfold.recipe import Recipe, Space

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9)
)
MERGED = "a: &a {x: 1}\nb0: &b0 {<<: [*a, *a]}\n" + "".join(
    f"b{i}: &b{i} {{<<: [{', '.join([f'*b{i - 1}'] * 10)}]}}\n" for i in range(1, 9)
)
HOSTILE = {
    "a billion laughs": LAUGHS,
    "merged mappings": MERGED,
    "lists without an end": "network: " + "[" * 20_000,
    "deep lists": "network: " + "[" * 2000 + "]" * 2000,
    "deep mappings": "{a: " * 2000 + "1" + "}" * 2000,
    "deep lines": "".join(" " * i + "a:\n" for i in range(1200)),
    "deep keys": "? " * 2000,
    "deep dashes": "- " * 2000,
    "many keys": "".join(f"k{i}: 1\n" for i in range(60_000)),
    "a long list": "network: {hidden: [" + "8," * 60_000 + "8]}",
    "many anchors": "".join(f"k{i}: &a{i} 1\n" for i in range(40_000)),
    "a long text": "a" * (2 << 20) + "\n",
    "a huge integer": "epochs: " + "9" * 100_000,
    "a huge integer in base 16": "epochs: 0x" + "f" * 100_000,
    "a huge integer in base 60": "epochs: 1" + ":1" * 50_000,
    "a repeated key": "epochs: 3\nepochs: 4\n",
    "a repeated key further inside": "optimizer: {adam: {lr: 0.1, lr: 0.2}}\n",
    "a call": "epochs: !!python/object/apply:os.system ['exit 3']",
    "a name": "epochs: !!python/name:os.system",
    "a module": "!!python/module:os",
    "an object": "!!python/object/new:os.system [id]",
    "a long tag": "!" * 50_000 + " 1",
    "bytes": "epochs: !!binary aGVsbG8=",
    "a set": "!!set {a, b}",
    "a list in itself": "&a [*a]",
    "a mapping in itself": "network: &a {hidden: *a}",
    "an optimizer in itself": "optimizer: &a {adam: *a}",
    "a second document": "epochs: 3\n---\nepochs: 4\n",
    "a key that is a list": "[a, b]: 1",
    "a zero byte": "epochs: 3\x00",
    "half of a character": "epochs: \udc80",
    "an unknown version": "%YAML 9.9\n---\nepochs: 3\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_refused_in_a_few_lines(text):
    reader = (Recipe.from_yaml, Space.from_yaml)[len(text) % 2]  # which share what reads them
    with pytest.raises(BadInput) as caught:
        reader(text + "\n")
    assert len(str(caught.value)) < 1000


def test_a_file_is_named_with_the_line_at_which_it_became_too_long(tmp_path):
    (tmp_path / "long.yaml").write_text(HOSTILE["many keys"])
    with pytest.raises(BadInput, match=r"long\.yaml:\d+: over 20,000 values"):
        Recipe.from_yaml(tmp_path / "long.yaml")


def test_anchors_that_stay_small_are_read():
    assert Recipe.from_yaml("network: {hidden: [8]}\nepochs: &n 12\nbatch_size: *n\n").batch_size == 12

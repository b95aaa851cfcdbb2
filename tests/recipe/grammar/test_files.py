"""YAML files of recipes: places of faults, and what YAML allows that a recipe does not."""

import pytest

from tenfold.errors import BadInput
from tenfold.recipe import Recipe, Space, commented_default
from tenfold.recipe.grammar.field_kinds import kinds
from tenfold.recipe.network import MLP, Layers
from tenfold.recipe.words.comments import MEANINGS
from tenfold.recipe.words.explain import catalogue
from tenfold.rules.augmentation import Augmentation
from tenfold.rules.optimizers import Adam, AdamW
from tenfold.rules.rate_factors import RateFactors
from tenfold.rules.record import rule_name

from ..examples import LAYER, refusal


def faults(source):
    return refusal(Recipe.from_yaml, source)


def test_a_file_with_faults_names_file_line_and_column(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("epochs: 3\noptimizer: adamm\n")
    assert faults(path).startswith(f"{path}:2:12: optimizer.adamm: unknown name; nearest: adam; one of: ")
    assert faults(str(path)) == faults(path)
    path.write_text("epochs: 0\nnetwork:\n  hidden: [3, x]\n  drop: 0.1\n")
    assert faults(path).splitlines() == [
        f"{path}: 3 faults",
        "  1:9 epochs: must be >= 1; got 0",
        "  3:15 network.hidden[1]: found the text 'x'; expected a whole number",
        "  4:9 network.drop: unknown field; nearest: dropout; one of: hidden, activation, normalization, normalize, "
        "dropout, input_dropout, embedding, scale, views, layers",
    ]


def test_places_inside_layers(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "network:\n  layers:\n  - conv: 16\n  - relu\n  - conv: {channels: 8, kernel: 4}\n"
        "  - residual:\n    - dense: none\n  - {dropout: 1}\n"
    )
    assert faults(path).splitlines() == [
        f"{path}: 3 faults",
        "  5:33 network.layers[2].conv.kernel: must be odd where padding is same; got 4",
        "  7:14 network.layers[3].residual[0].dense: found the text 'none'; expected a whole number",
        "  8:15 network.layers[4].dropout.rate: must be in [0, 1); got 1.0",
    ]


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "{}", "null", "---\n"])
def test_an_empty_text_is_all_defaults_and_an_empty_file_is_refused(text, tmp_path):
    assert Recipe.from_yaml(text) == Recipe()
    path = tmp_path / "r.yaml"
    path.write_text(text)
    if text == "{}":  # a mapping without fields is no empty file
        assert Recipe.from_yaml(path) == Recipe() == Space.from_yaml(path).sample(1)[0]
        return
    for kind, command in ((Recipe, "tenfold recipes > recipe.yaml"), (Space, "tenfold space DATA --target COL > ")):
        with pytest.raises(BadInput) as refused:
            kind.from_yaml(path)
        assert str(refused.value).startswith(f"{path}: is empty\n")
        assert f"try: `{command}" in str(refused.value)


def test_text_files_and_writing(tmp_path):
    recipe = Recipe.from_yaml("optimizer: {adamw: {lr: 1e-2}}\nnetwork: {hidden: [3]}\nweight_decay: 1E-4")
    assert recipe.optimizer == AdamW(lr=0.01)
    assert recipe.weight_decay == 1e-4
    path = tmp_path / "deep" / "recipe.yaml"
    with pytest.raises(BadInput, match="cannot be written"):
        recipe.to_yaml(path)
    path.parent.mkdir()
    assert recipe.to_yaml(path) == path.read_text() == recipe.to_yaml()
    assert Recipe.from_yaml(path) == recipe == Recipe.from_yaml(str(path))
    path.write_bytes(b"\xef\xbb\xbfepochs: 7\r\n")
    assert Recipe.from_yaml(path).epochs == 7


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- epochs: 3\n", "1:1: found a list"),
        ("just words", "1:1: found the text 'just words'; expected a mapping"),
        ("network:\n\thidden: [3]\n", "2:1: a tab; YAML is indented with spaces"),
        ("epochs: 3\nseed: 1\nepochs: 4\n", "written twice, in lines 1 and 3"),
        ("network: {dropout: 0.1, dropout: 0.2}", "network.dropout: written twice"),
        ("init: !!python/object/apply:os.system [echo]\n", "1:1: init: the tag !!python/object/apply:os.system is not"),
        ("!!python/name:os.system x", "1:1: the tag"),
        ("init: !he {}\n", "the tag !he is not allowed"),
        ("init: !!binary aGU=\n", "the tag !!binary is not allowed"),
        ("epochs: 1\n---\nepochs: 2\n", "2:1: a second document"),
        ("epochs: [1\n", "not YAML"),
        ("epochs: 'a\n", "not YAML"),
        ("epochs: *x\n", "undefined alias"),
        ("epochs: 010\n", "1:9: epochs: 010 is not a number in plain decimals"),
        ("batch_size: 1:30\n", "batch_size: 1:30 is not a number in plain"),
        ("epochs: 0x10\n", "another base"),
        ("weight_decay: 1:30.5\n", "another base"),
        ("epochs: !!int abc\n", "abc is not a number"),
        ("epochs: !!float abc\n", "'abc' cannot be read as a float"),
        ("epochs: !!bool abc\n", "cannot be read as a bool"),
        ("epochs: 2020-13-45\n", "'2020-13-45' cannot be read as a timestamp"),
        ("epochs: 2020-01-01\n", "epochs: found a date"),
        ("epochs: yes\n", "found true (a boolean)"),
        ("weight_decay: .inf\n", "weight_decay: found inf"),
        ("decay:\n", "1:7: decay: found nothing"),
        ("? [1, 2]\n: 3\n", "a key that is a list"),
        ("epochs: &a [*a]\n", "an anchor that contains itself"),
        ("[" * 20_000, "nested too deeply"),
        ("epochs: \x00\n", "not YAML text"),
        ("epochs: " + "9" * 5000 + "\n", "epochs"),
    ],
)
def test_refused(text, expected, tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    message = faults(path)
    assert expected in message
    assert message.startswith(str(path))
    assert len(message.splitlines()) <= 4


def test_anchors_are_followed_but_not_without_end():
    recipe = Recipe.from_yaml("weight_decay: &x 0.5\nclip_norm: *x\n")
    assert (recipe.weight_decay, recipe.clip_norm) == (0.5, 0.5)
    bomb = "a: &a0 [1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]\n" for i in range(1, 12)
    )
    assert "grows without end" in faults(bomb)


def test_not_a_file(tmp_path):
    assert "No such file" in faults("missing.yaml")
    assert "No such file" in faults(tmp_path / "missing")
    assert "cannot be read" in faults(tmp_path)
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    assert "is not UTF-8" in faults(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_bytes(b"#" * (1 << 20) + b"\n")
    assert "larger than 1 MiB" in faults(tmp_path / "a.yaml")


def test_commented_default_parses_back_and_names_every_rule():
    text = commented_default()
    assert Recipe.from_yaml(text) == Recipe()
    lines: dict[str, list[str]] = {}  # a field that two records have has two
    for line in text.splitlines():
        if not line.startswith("#"):
            lines.setdefault(line.split(":")[0].strip(), []).append(line.split("#")[1])
    records = Recipe, MLP, Augmentation, RateFactors
    assert set(lines) == {name for record in records for name in kinds(record)}
    for record in records:
        for name, kind in kinds(record).items():
            meaning = MEANINGS.get(f"rate_factors.{name}" if record is RateFactors else name, MEANINGS[name])
            (said,) = [line for line in lines[name] if meaning in line]
            for word in (*getattr(kind, "names", ()), *getattr(kind, "words", ())):
                assert word in said
    twice = {f"rate_factors.{name}" for name, said in lines.items() if len(said) > 1}
    assert set(MEANINGS) == {*lines, *kinds(Layers), *twice}
    assert all("#" in line for line in text.splitlines())


def test_commented_rules_with_fields_are_recipes():
    lines = [line.removeprefix("#   ") for line in commented_default().splitlines() if line.startswith("#   ")]
    seen = set()
    for line in lines:
        code = line.split("  #")[0]
        inside = line.split(":")[0] in (*kinds(MLP), *kinds(Layers))
        recipe = Recipe.from_yaml(f"network: {{{code}}}" if inside else code)
        assert recipe != Recipe() or line.split("{")[1].startswith(("adam:", "he:", "none:"))
        seen.add(line.split("{")[1].split(":")[0])
    assert {entry.name for entry in catalogue() if entry.defaults} - seen == {
        "augment", "rate_factors", *(LAYER.name(rule) for rule in LAYER.rules if LAYER.name(rule) != rule_name(rule))
    }  # fmt: skip


def test_commented_rules_say_their_words_and_presets():
    text = commented_default()
    assert "#   layers: [{global_pool: {of: average}}]  # of: average | max\n" in text
    assert "gelu: {approximate: none}}  # approximate: none | tanh" in text
    assert "padding: same}}]  # padding: a number | same\n" in text
    adam = next(line for line in text.splitlines() if line.startswith("#   optimizer: {adam:"))
    assert adam.endswith(f"preset: {' | '.join(Adam.PRESETS)}")

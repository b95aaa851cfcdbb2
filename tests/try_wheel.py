"""Of `make wheel`: that an installed wheel is whole, and that the engine which should train does.

python -P tests/try_wheel.py FOLDER ENGINE, with the folder that the wheel was installed into on the path, and the first
word or words of the engine.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import tenfold
from tenfold.engine.native.library import compiled_lanes, engine_in_words


def main(site: Path, engine: str) -> None:
    """Look at the files, ask the program, and train."""
    home = Path(tenfold.__file__).parent
    assert home == site / "tenfold", f"imported from elsewhere: {home}"
    assert (home / "py.typed").is_file(), "no py.typed"
    assert not list(home.rglob("*.cpp")), "sources that nothing reads at run time"
    [wheel] = site.parent.glob("*.whl")
    assert ("py3-none-any" in wheel.name) == (engine == "packs"), f"a {wheel.name} that trains with {engine}"
    said = subprocess.check_output([sys.executable, str(site / "bin" / "tenfold"), "--version"], text=True)
    assert f"({engine}" in said, f"tenfold --version says: {said}"
    assert bool(compiled_lanes().level) == (engine == "compiled lanes")
    score = train()
    trained_natively = "tenfold.engine.native.solo_lanes" in sys.modules  # imported when a lane is made, not before
    assert trained_natively == (engine == "compiled lanes"), f"trained by the other engine than {engine}"
    print(f"{wheel.name}: {engine_in_words()}, mean accuracy {score:.2f}")


def train() -> float:
    """The score of one recipe on two folds of iris."""
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    recipe = tenfold.Recipe(network=tenfold.MLP(hidden=(8,)), optimizer=tenfold.Adam(lr=0.01), epochs=10)
    mean = tenfold.cross_validate([recipe], x, y, folds=2, seed=0).table[0]["mean"]
    assert mean > 0.5, f"it has learned nothing: {mean}"
    return mean


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

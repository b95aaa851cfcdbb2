"""The library of the compiled lanes: found, refused and named in words. Small C libraries stand in for others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tenfold.engine.native import library
from tenfold.engine.native.library import INTERFACE, LEVELS, compiled_lanes, engine_in_words, open_library
from tenfold.errors import BadInput

COMPILER = shutil.which("cc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler to make a library with")
FLAGS_OF_LEVELS = {  # as the psABI of x86-64 defines the levels, in the words of Linux
    "v2": {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"},
    "v3": {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"},
    "v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}


@pytest.fixture
def plain_environment(monkeypatch):
    """As if nobody had asked for an engine, a level or a library."""
    for name in ("TENFOLD_ENGINE", "TENFOLD_LEVEL", "TENFOLD_LIBRARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make(tmp_path, monkeypatch, plain_environment):
    """Makes the library at the place where Tenfold's is looked for, from what its functions answer."""
    monkeypatch.setattr(library, "HOME", tmp_path)
    open_library.cache_clear()
    yield lambda **answers: compile_c(tmp_path / library.FILE, **answers)
    open_library.cache_clear()


def compile_c(path, *, interface=INTERFACE, best="v3", levels=("v2", "v3", "v4")):
    assert COMPILER is not None
    code = f'const char* tenfold_best_level(void) {{ return "{best}"; }}\n'
    if interface is not None:
        code += f"int tenfold_interface(void) {{ return {interface}; }}\n"
    for width, level in zip((16, 32, 64), levels, strict=False):
        code += f"int tenfold_vector_bytes_{level}(void) {{ return {width}; }}\n"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-x", "c", "-", "-o", str(path)], input=code, text=True, check=True)
    return path


@needs_compiler
def test_the_highest_level_of_the_processor_is_taken(make):
    make(best="v3")
    lanes = compiled_lanes()
    assert (lanes.level, lanes.vector_bytes, lanes.missing) == ("v3", 32, "")
    assert engine_in_words().startswith("compiled lanes, ")
    assert engine_in_words().endswith("-v3")


@needs_compiler
def test_a_lower_level_can_be_asked_for_and_a_higher_one_cannot(make, monkeypatch):
    make(best="v3")
    monkeypatch.setenv("TENFOLD_LEVEL", "v2")
    assert (compiled_lanes().level, compiled_lanes().vector_bytes) == ("v2", 16)
    monkeypatch.setenv("TENFOLD_LEVEL", "v4")
    with pytest.raises(BadInput, match=r"TENFOLD_LEVEL: no level 'v4' here\n  expected: v2 or v3"):
        compiled_lanes()


@needs_compiler
def test_a_level_that_the_library_lacks_is_not_taken(make):
    make(best="v4", levels=("v2",))
    assert compiled_lanes().level == "v2"


@needs_compiler
def test_a_library_for_newer_processors_is_refused(make):
    make(best="plain")
    assert not compiled_lanes().level
    assert "needs a newer processor than this one (plain)" in engine_in_words()


@needs_compiler
@pytest.mark.parametrize("interface", [INTERFACE - 1, INTERFACE + 1, None])
def test_a_stale_library_is_refused_with_the_reason(make, interface):
    make(interface=interface)
    lanes = compiled_lanes()
    assert (lanes.level, lanes.library) == ("", None)
    assert f"interface {interface}, expected {INTERFACE}" in lanes.missing
    assert engine_in_words().startswith("packs: no compiled lanes, as ")
    assert "`pip install` again" in engine_in_words()


@pytest.mark.usefixtures("plain_environment")
def test_packs_can_be_asked_for(monkeypatch):
    monkeypatch.setenv("TENFOLD_ENGINE", "packs")
    assert engine_in_words() == (
        "packs: no compiled lanes, as TENFOLD_ENGINE=packs turns them off; unset it to train several times faster"
    )
    monkeypatch.setenv("TENFOLD_ENGINE", "fast")
    with pytest.raises(BadInput, match="TENFOLD_ENGINE: unknown engine 'fast'\n  expected: packs, or nothing"):
        compiled_lanes()


@pytest.mark.usefixtures("plain_environment")
def test_without_a_library_the_words_say_why_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "HOME", tmp_path)
    assert f"as {tmp_path / library.FILE} does not exist; install a C++ compiler" in engine_in_words()
    (tmp_path / "not_compiled.txt").write_text("the moon was full\n")
    open_library.cache_clear()
    assert "no compiled lanes, as the moon was full; install a C++ compiler" in engine_in_words()
    open_library.cache_clear()


@pytest.mark.usefixtures("plain_environment")
def test_what_is_no_library_is_refused(tmp_path, monkeypatch):
    file = tmp_path / library.FILE
    file.write_text("not a library")
    monkeypatch.setattr(library, "HOME", tmp_path)
    assert f"{file} cannot be loaded (" in compiled_lanes().missing
    monkeypatch.setenv("TENFOLD_LIBRARY", str(file))
    with pytest.raises(BadInput, match=r"TENFOLD_LIBRARY: .* cannot be loaded"):
        compiled_lanes()
    monkeypatch.setenv("TENFOLD_LIBRARY", str(tmp_path / "nowhere.so"))
    with pytest.raises(BadInput, match=r"TENFOLD_LIBRARY: .*nowhere\.so does not exist"):
        compiled_lanes()
    open_library.cache_clear()


@needs_compiler
@pytest.mark.usefixtures("plain_environment")
def test_another_library_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TENFOLD_LIBRARY", str(compile_c(tmp_path / "other.so", best="v2")))
    assert compiled_lanes().level == "v2"


def test_asking_imports_no_numbers():
    code = "import sys; from tenfold.engine.native.library import engine_in_words; engine_in_words()\n"
    code += "print([name for name in ('torch', 'numpy') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_the_level_is_the_one_that_the_system_sees(monkeypatch):
    """The library asks the processor; Linux has asked it too. Of the library that this process uses: the only test here
    that means something under sanitizers."""
    monkeypatch.delenv("TENFOLD_LEVEL", raising=False)
    flags = cpu_flags()
    lanes = compiled_lanes()
    if not flags or lanes.library is None:
        pytest.skip("no flags of an x86 processor to compare with" if not flags else lanes.missing)
    assert lanes.library._name == os.environ.get("TENFOLD_LIBRARY", str(library.HOME / library.FILE))
    has = [level for level, needed in FLAGS_OF_LEVELS.items() if needed <= flags]
    assert lanes.level == (has[-1] if has else "plain")
    assert has == [level for level in LEVELS if level in has]  # none without those below it
    assert lanes.vector_bytes == {"v4": 64, "v3": 32}.get(lanes.level, 16)


def cpu_flags():
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return set(next((line.split(":")[1] for line in lines if line.startswith("flags")), "").split())

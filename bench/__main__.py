"""`python -m bench`: the speed comparison with its default settings (what `make bench` runs)."""

from __future__ import annotations

from bench.speed import main

if __name__ == "__main__":
    main()

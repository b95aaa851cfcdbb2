"""Measurements of Tenfold against its peers; run from the checkout as `python -m bench.speed` and so on."""

"""Studies: what is usually told of training networks, each claim measured in seconds and shown on a page.

A study is one file, in the folder of its chapter. `study.py` says what it is made of, `all_studies.py` finds them,
`page.py` draws their pages; `parts/` has what several of them measure with.
"""

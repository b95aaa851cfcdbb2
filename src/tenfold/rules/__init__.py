"""The mathematics of training, one concept a file: frozen records of numbers and pure functions of arrays.

Nothing here reads a file, a clock or a global random state, and nothing imports torch: formulas use the
methods of the tensors that they are given, so one implementation serves one network and a hundred.
"""

"""Tenfold chooses and cross-validates the training configuration of a neural network, with every fold of every
configuration trained at once.

Importing it is cheap: each public name is loaded when it is first used, and torch only to train or predict.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

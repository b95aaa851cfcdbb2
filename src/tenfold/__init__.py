"""Tenfold chooses and cross-validates the training configuration of a neural network, with every fold of every
configuration trained at once.

Importing it is cheap: each public name is loaded when it is first used, and torch only to train or predict.
"""

import sys
from types import ModuleType
from typing import Any

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


class _Package(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        # Importing the folder `search` would otherwise hide the function `tenfold.search` behind the module.
        if not (isinstance(value, ModuleType) and name in __all__):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

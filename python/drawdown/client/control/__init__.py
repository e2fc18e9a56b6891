"""The control plane's calls as methods of a database, one file per concept.

The awaited forms in ``awaited.py`` are generated from these by ``tools/gen_awaited.py``.
"""

from drawdown.client.control.methods import ControlMethods

__all__ = ["ControlMethods"]

"""What can go wrong at the demo company: faults that a drill plays, each with the answer it should get."""

from demo.faults.fault import Fault, Scene
from demo.faults.library import FAULTS, named

__all__ = ["FAULTS", "Fault", "Scene", "named"]

"""Models, number formats and training jobs."""

from simulator.workload.precision import Precision
from simulator.workload.software import Software
from simulator.workload.training import LayoutRequest, Recipe, TrainingJob
from simulator.workload.transformer import Transformer

__all__ = ["LayoutRequest", "Precision", "Recipe", "Software", "TrainingJob", "Transformer"]

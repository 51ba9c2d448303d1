"""Models, number formats and training jobs."""

from simulator.workload.precision import Precision
from simulator.workload.training import LayoutRequest, TrainingJob
from simulator.workload.transformer import Transformer

__all__ = ["LayoutRequest", "Precision", "TrainingJob", "Transformer"]

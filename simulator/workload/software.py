"""How well a training framework of an era uses the machine: what it fuses, hides and launches."""

from __future__ import annotations

from pydantic import Field

from simulator.catalogue import CatalogueEntry
from simulator.units import Fraction, Ratio, Seconds

__all__ = ["Software"]


class Software(CatalogueEntry):
    """Efficiency parameters that belong to the software, not to the accelerator or the job."""

    shelf = "software"

    products: Ratio = Field(description="rate of its matrix products over that of the best library kernels")
    attention: Ratio = Field(description="rate of its fused attention over that of the best such kernel")
    native: bool = Field(
        description="its attention kernel is written for the accelerator's family, not for an earlier one"
    )
    elementwise: Ratio = Field(description="memory traffic of norms, activations and residuals over that of fused ones")
    casts: Ratio = Field(
        description="passes over memory that quantise operands, over one for each that no norm hands over"
    )
    logits: float = Field(gt=0, description="bytes moved for each logit by loss and its gradient")
    exposed: Fraction = Field(description="share of tensor-parallel traffic that no matrix product hides")
    contention: Fraction = Field(description="share of its time by which hidden traffic slows what hides it")
    stops: bool = Field(description="recomputing a block leaves out its last product, whose result nothing reads")
    host: Seconds = Field(description="time the host takes to launch one kernel")
    kernels: int = Field(ge=1, description="kernels of one layer in one direction, attention fused")
    routing: float = Field(
        ge=0, description="launches a pass of a layer of experts takes to route tokens whose number the host must read"
    )

    @property
    def compiles(self) -> bool:
        """One program a step, whose compiler fuses what others launch operator by operator."""
        return self.host == 0

"""What a pipeline adds to its slowest stage: the bubble, by schedule, and the transfers between stages."""

from __future__ import annotations

import numpy as np

from simulator.step.collectives import send
from simulator.step.layout import Layouts
from simulator.step.machine import Machine
from simulator.step.roofline import Numbers

__all__ = ["bubble", "in_flight", "microbatches", "transfers"]


def microbatches(batch: int, L: Layouts) -> Numbers:
    """Microbatches each replica computes in one step; the last may be short, and costs as much."""
    return np.ceil(batch / (L.data * L.microbatch))


def in_flight(stage: Numbers | float, count: Numbers, L: Layouts) -> Numbers:
    """Microbatches whose activations stage ``stage`` (from 0) holds at once, in parts of a whole stage's.

        1F1B: p − i;  interleaved by v: (2 (p − i − 1) + (v − 1) p + 1) / v;  zero bubble: p;  DualPipe: p + 1

    and never more than the m there are.  On the first stage the second is p (1 + (p − 1) / (p v)).  Interleaving fills
    the last stage nearly as much as the first, where 1F1B leaves it one; so do weight gradients that are put off, whose
    inputs have to stay.

    Source
    ------
    Narayanan et al., SC21, arXiv:2104.04473, section 2.2: the forward passes of the warm-up and the one after it.
    Zero bubble (ZB-H1: nowhere more than on 1F1B's first stage) and DualPipe: recalled from the papers.
    """
    p, v = L.pipeline, L.interleave
    behind = p - stage - 1
    waiting = np.where(v > 1, (2 * behind + (v - 1) * p + 1) / v, behind + 1)
    if L.schedule.any():
        waiting = np.where(L.zero_bubble, p, np.where(L.two_way, p + 1, waiting))
    return np.minimum(waiting, count)


def bubble(
    slowest: Numbers, others: Numbers, backward: Numbers, weights: Numbers, count: Numbers, L: Layouts
) -> Numbers:
    """Idle time of a schedule with m microbatches. [s]

    1F1B, interleaved by v:

        (p − 1) · t_other / v + (v − 1) · (−m mod p) · t_stage / v

    The first term is the usual one, for a multiple of p microbatches: the slowest stage waits while the first
    microbatch comes to it and the last one leaves it through the others, which are not as slow.  Interleaving deals
    microbatches out in rounds of p; a round that is not full costs as much as a full one.  With fewer microbatches than
    stages the step is the critical path of one microbatch through all v p chunks with the others close behind,
    (v p + m − 1) · t_stage / v: however fine the chunks, at most m of p stages work at once.

    Zero bubble (ZB-H1), whose stages pass the input gradient on before they compute weight gradients, W, and fill the
    end of the step with those they put off; with m microbatches there are no more than m − 1 to put off:

        (p − 1) (t_other − W) − min(p − 1, m − 1) W

    which with enough of them is the published (p − 1)(F + B − 2 W), B the whole backward pass and W a part of it.
    DualPipe feeds microbatches from both ends and runs a forward and a backward pass at once:

        (p / 2 − 1) (t_other + B − 3 W)

    Parameters
    ----------
    slowest, others
        One microbatch through the slowest stage, forward and backward, and through the others in the mean.
    backward, weights
        Its backward pass, B, and the weight gradients in it, W.

    Source
    ------
    Narayanan et al., SC21, arXiv:2104.04473, section 2.2, for the first term; the second is the arithmetic of rounds.
    Zero bubble and DualPipe as a survey of other simulators gives them from the papers (Qi et al.; DeepSeek-AI), not
    checked there; the case of few microbatches is ours.
    """
    p, v = L.pipeline, L.interleave
    short = np.ceil(count / p) * p - count  # −m mod p, which is slow to compute so
    plain: Numbers = ((p - 1) * others + (v - 1) * short * slowest) / v
    if not L.schedule.any():
        return plain
    filled = (p - 1) * (others - weights) - np.minimum(p - 1, count - 1) * weights
    both = np.maximum(p / 2 - 1, 0) * (others + backward - 3 * weights)
    result: Numbers = np.where(L.zero_bubble, np.maximum(filled, 0), np.where(L.two_way, np.maximum(both, 0), plain))
    return result


def transfers(
    machine: Machine, hidden: int, sequence: int, count: Numbers, stage: Numbers, L: Layouts, *, overlap: bool
) -> Numbers:
    """Activations and gradients between neighbouring stages, 2 b s h / t bytes each way and chunk. [s]

    Every rank of a tensor group sends its own part (scatter/gather, arXiv:2104.04473, section 4.1).  1F1B waits for its
    neighbour's tensor.  Interleaved stages have another chunk to compute meanwhile: with ``overlap`` they wait for the
    2 (p − 1) + (v − 1) p passes of the first stage before backward ones set in, and as many at the end, and else for
    what takes longer than a pass of a chunk, ``stage`` / 2 v (Megatron-LM's default where it interleaves; recalled).
    DualPipe always has a pass of the other direction to compute, so it waits only while its pipeline fills, from both
    ends.
    """
    tokens = L.microbatch * sequence / L.context
    each = send(machine, 2 * tokens * hidden / L.tensor, L.tensor * L.context * L.data)
    p, v = L.pipeline, L.interleave
    waits = v * (count + p - 1) * each
    if overlap:
        beyond = np.maximum(each - stage / (2 * v), 0)
        filling = np.minimum(2 * (p - 1) + (v - 1) * p, v * count)
        waits = np.where(v > 1, (v * count - filling) * beyond + filling * each, waits)
    return np.where(p > 1, 2 * np.where(L.two_way, p / 2 * each, waits), 0.0)

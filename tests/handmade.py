"""A plan and a log written by hand, for tests of everything above the engine."""

import datetime as dt
import random
from dataclasses import replace
from itertools import pairwise

from simulator.economics import Tariff
from simulator.engine.log import Activity, Event, Interval, JobEnd, Log, Sample
from simulator.plan.model import Cause, Delivery, JobPlan, Plan, PoolPlan, PowerStep, Repair, Rung
from simulator.step import Layout, Memory, StepTime

DAY = 86400.0
SPARE = 4


def rung(nodes: tuple[int, ...], *, tokens_per_second: float, peak: float = 989e12) -> Rung:
    accelerators = 8 * sum(nodes)
    tokens = 4e6
    flops = 6e11 * tokens
    parts = (
        ("model arithmetic at peak", flops / (accelerators * peak)),
        ("arithmetic below peak", 0.3 * tokens / tokens_per_second),
        ("tensor parallel", tokens / tokens_per_second * 0.7 - flops / (accelerators * peak)),
    )
    return Rung(
        nodes=nodes, accelerators=accelerators, tokens_per_second=tokens_per_second,
        useful_tokens_per_second=0.93 * tokens_per_second, power=sum(nodes) * 12e3,
        interval=1800.0, save=20.0, restart=400.0, load=60.0, mtti=4 * 3600.0, running=0.96, hiding_batch=None,
        step=StepTime(parts=parts, tokens=tokens, model_flops=flops, peak=accelerators * peak),
        layout=Layout(tensor=8, pipeline=4, data=accelerators // 32),
        memory=Memory(weights=10e9, gradients=8e9, optimizer=12e9, activations=20e9, buffers=5e9, capacity=80e9),
    )  # fmt: skip


def plan(**changes: object) -> Plan:
    """Two pools, the second arrives on day 20; a cap that rises with it; one job of two rungs."""
    pools = (
        PoolPlan("h100", "HGX-H100", "H100-SXM", 8, (Delivery(0.0, 100),), 0.04, 12e3, 4e3, 1.0),
        PoolPlan("h200", "HGX-H200", "H200", 8, (Delivery(20 * DAY, 50),), 0.04, 12.5e3, 4e3, 1.0),
    )
    small, large = rung((96, 0), tokens_per_second=4e5), rung((96, 48), tokens_per_second=6e5)
    made = Plan(
        name="handmade", question="Does the upper half stand?", start=dt.date(2024, 9, 2), horizon=100 * DAY, seed=7,
        pools=pools, power=(PowerStep(0.0, 1.6e6), PowerStep(20 * DAY, 2.4e6)),
        jobs=(JobPlan("pretrain", "a-model", 2e12, 6e11, 1e11, (large, small)),),
        causes=(Cause("gpu", 1e-7, 0.8, 60.0), Cause("network", 4e-8, 0.1, 120.0)),
        repairs=(Repair("reboot", 1.0, DAY),), standby=60.0,
        tariff=Tariff(capital=(2e-3, 2.2e-3), network=(3e-4, 3e-4), facility=(2e-4, 2e-4), people=(1e-4, 1e-4),
                      rent=(0.0, 0.0), energy=0.06 / 3.6e6,
                      price=(3e5, 3.2e5), life=5 * 365 * DAY),
        carbon=0.4 / 3.6e6, references=("nvidia-h100-datasheet",), scenario="0123456789abcdef",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


class _Story:
    """Writes a log second by second, keeping its promises: gapless intervals, tokens that never fall."""

    def __init__(self, planned: Plan, seed: int) -> None:
        self.plan, self.seed, self.now, self.tokens = planned, seed, 0.0, 0.0
        self.intervals: list[Interval] = []
        self.events: list[Event] = []
        self.samples: list[Sample] = []
        self.running, self.interruptions = 0.0, 0
        self.worked = [0.0] * len(planned.jobs[0].rungs)

    def spend(self, seconds: float, activity: Activity) -> None:
        self.intervals.append(Interval(0, self.now, self.now + seconds, activity))
        self.now += seconds

    def sample(self, working: tuple[int, ...], broken: int = 0) -> None:
        installed = tuple(sum(d.nodes for d in p.deliveries if d.time <= self.now) for p in self.plan.pools)
        power = sum(
            w * p.training_power + (n - w) * p.idle_power
            for w, n, p in zip(working, installed, self.plan.pools, strict=True)
        )
        self.samples.append(
            Sample(self.now, installed, (installed[0] - broken, *installed[1:]), working, power, (self.tokens,))
        )

    def log(self, finished: bool) -> Log:
        ended = self.now if finished else None
        end = JobEnd("pretrain", 0.0, 600.0, ended, self.tokens, self.interruptions, tuple(self.worked), self.running)
        return Log(self.seed, self.now, tuple(self.intervals), tuple(self.events), tuple(self.samples), (end,))


def simulate(planned: Plan, seed: int = 7) -> Log:
    """A run with a stop every few hours, drawn without SimPy."""
    draw, story, job = random.Random(seed), _Story(planned, seed), planned.jobs[0]
    large, small = job.rungs
    story.sample((0, 0))
    story.events.append(Event(0.0, "delivery", "", "100 x HGX-H100"))
    story.spend(600.0, Activity.INITIALISATION)
    story.events.append(Event(story.now, "start", "pretrain", "96 nodes"))
    grown = False
    while story.tokens < job.tokens and story.now < planned.horizon:
        if story.now >= 20 * DAY and not grown:
            grown = True
            story.events.append(Event(story.now, "planned stop", "pretrain", "to 144 nodes"))
            story.sample((0, 0))
            story.spend(900.0, Activity.PLANNED)
        now = large if grown else small
        stretch = draw.expovariate(1 / now.mtti)
        if not grown:
            stretch = min(stretch, 20 * DAY - story.now)
        useful = min(stretch * 0.97, (job.tokens - story.tokens) / now.tokens_per_second)
        useful = max(min(useful, planned.horizon - story.now), 0.0)
        done = useful >= (job.tokens - story.tokens) / now.tokens_per_second
        story.sample(now.nodes, broken=1)
        story.spend(useful, Activity.COMPUTE)
        story.running += useful
        story.worked[job.rungs.index(now)] += useful
        story.tokens = job.tokens if done else story.tokens + useful * now.tokens_per_second
        left = max(planned.horizon - story.now, 0.0)
        if done or not left:
            break
        for seconds, activity in ((0.01 * stretch, Activity.SAVE), (0.02 * stretch, Activity.WASTED)):
            story.spend(min(seconds, left / 2), activity)
            left = planned.horizon - story.now
        story.sample((0, 0), broken=2)
        cause = draw.choices(planned.causes, [c.rate for c in planned.causes])[0]
        story.interruptions += 1
        story.events.append(Event(story.now, "interruption", "pretrain", cause.name))
        for seconds, activity in ((460.0, Activity.RECOVERY), (60.0, Activity.RESTORE)):
            story.spend(min(seconds, planned.horizon - story.now), activity)
    story.events.append(Event(story.now, "finish" if story.tokens >= job.tokens else "horizon", "pretrain", ""))
    story.sample((0, 0))
    assert all(before.end == after.start for before, after in pairwise(story.intervals))
    return story.log(story.tokens >= job.tokens)

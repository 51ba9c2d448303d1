"""Machines of a row: every spelling has an answer, and what is special about each kind shows in its step time."""

from dataclasses import replace

import pytest

from simulator import catalogue
from simulator.hardware import Accelerator, Efficiency, Fabric, Node
from simulator.step import Layout, Layouts, evaluate, machine
from simulator.step.machine import clock
from simulator.validation.filling import habits, precision, sharded
from simulator.validation.machines import accelerator, forget, found
from simulator.validation.predict import predict
from simulator.validation.rows import UnreadableError, parse
from simulator.validation.wires import fabric
from simulator.workload import Recipe, Transformer

LLAMA = Transformer.load("Llama-3.1-8B")


def row(**changed):
    """Llama 3.1 8B, one sequence of 8,192 tokens an accelerator, on what is asked for."""
    count = changed.get("n_accelerators", "8")
    usual = {
        "model": "Llama-3.1-8B", "year": "2025", "precision": "bf16", "framework": "torchtitan",
        "n_accelerators": count, "seq_len": "8192", "global_batch_seqs": count, "micro_batch": "1",
    }  # fmt: skip
    return parse(usual | changed)


SPELLINGS = {  # dense 16-bit TFLOP/s
    "V100 SXM2 32GB": 125, "A100 SXM4 40GB": 312, "A100 PCIe 80GB": 312, "H100 SXM5 80GB": 989, "H100 PCIe 80GB": 756,
    "NVIDIA H100 80GB HBM3": 989, "H800 SXM5": 989, "H200 SXM": 989, "GH200": 989, "GH200 96GB (Hopper part)": 989,
    "H100-SXM (GH200)": 989, "H100-SXM-96GB-HBM2e-500W": 989, "H100 SXM 96GB HBM2e 500W (torchtitan)": 989,
    "B200 SXM (HGX/DGX)": 2250, "GB200 (per GPU, NVL72)": 2500, "B300": 2250, "B300 SXM (HGX/DGX)": 2250, "GB300": 2500,
    "GB300 (per GPU, NVL72)": 2500, "Rubin (per GPU, Vera Rubin NVL72)": 4000,
    "MI250X": 383, "MI250X-GCD": 191.5, "MI300A": 980.6, "AMD Instinct MI300X": 1307.4, "MI325X": 1307.4,
    "MI350X": 2307, "MI355X": 2516.6,
    "TPU v3": 123, "TPUv4": 275, "TPU v5e": 197, "TPUv5p": 459, "TPU v6e (Trillium)": 918, "TPU7x (Ironwood)": 2307,
    "Trainium1": 190, "Trainium1-NeuronCore-v2": 95, "Trainium2": 667, "Trainium3": 671, "Gaudi2": 432, "Gaudi 3": 1677,
    "Intel Max 1550": 839, "Intel-Max1550-tile": 419.5, "Ascend-910B": 320,
    "CS-2": 7500, "Cerebras WSE-2 (CS-2)": 7500, "CS-3": 15600, "Tesla D1 (Dojo)": 362,
    "Tesla Dojo training tile (25 D1)": 9050, "Tesla Dojo ExaPOD (120 tiles, 3000 D1)": 1_086_000,
}  # fmt: skip


@pytest.mark.parametrize(("spelling", "tera"), SPELLINGS.items())
def test_every_spelling_has_its_own_peak(spelling, tera):
    peak = accelerator(spelling).peak
    assert (peak.get("bf16") or peak["fp16"]) / 1e12 == pytest.approx(tera, rel=0.003)


def test_no_two_accelerators_share_a_spelling():
    spellings = [
        spelling.casefold()
        for name in catalogue.names("accelerators")
        for spelling in (name, *catalogue.entry("accelerators", name).get("aliases", ()))
    ]
    assert len(spellings) == len(set(spellings))


def test_an_unknown_accelerator_is_refused_with_the_nearest_names():
    with pytest.raises(UnreadableError, match="MI300X"):
        accelerator("MI301X")


@pytest.mark.parametrize("spelling", [s for s in SPELLINGS if "Dojo" not in s and "1550" not in s and "V100" not in s])
def test_a_usual_job_uses_between_a_tenth_and_three_quarters_of_any_machine(spelling):
    """Nothing trains at a twentieth of its peak when nothing is wrong, and nothing ever trained beyond 72 %."""
    wide = "fp16" if "CS-" in spelling else "bf16"
    made = predict(row(accelerator=spelling, n_accelerators="16", precision=wide, micro_batch="", tp="", pp=""))
    assert 0.10 < made.mfu < 0.75


def test_tiles_chips_and_modules_are_counted_as_their_sources_count_them():
    halves = {"MI250X-GCD": "MI250X", "Intel-Max-1550-tile": "Intel-Max-1550", "Trainium1-core": "Trainium1"}
    for half, whole in halves.items():
        part, module = Accelerator.load(half), Accelerator.load(whole)
        for of in (lambda a: a.peak["bf16"], lambda a: a.memory, lambda a: a.memory_bandwidth, lambda a: a.power):
            assert 2 * of(part) == pytest.approx(of(module), rel=0.01)


# --- power -----------------------------------------------------------------------------------------------------------


def test_a_power_cap_costs_the_cube_root_of_the_power():
    hopper = Efficiency.load("hopper")
    capped, full = Accelerator.load("H100-SXM-96GB-500W"), Accelerator.load("H100-SXM")
    assert clock(capped, hopper) == pytest.approx((500 / 700) ** (1 / 3))
    assert clock(full, hopper) == 1


def test_grace_draws_from_the_same_cap():
    assert 0.9 < clock(Accelerator.load("GH200"), Efficiency.load("hopper")) < 0.95


def test_the_same_silicon_with_more_power_is_faster_but_less_than_measured():
    """MI325X over MI300X: 785 over 668 TFLOP/s on the best product, with a third more power."""
    gain = clock(Accelerator.load("MI325X"), Efficiency.load("cdna3"))
    assert 1 < gain < 785 / 668


def test_a_part_that_is_not_capped_keeps_its_clock():
    for name in ("A100-SXM-80GB", "A100-PCIe-40GB", "TPU-v5p"):
        part = Accelerator.load(name)
        assert clock(part, Efficiency.load(part.family)) == 1


def test_narrow_and_capped_shows_in_the_rate():
    fast, slow = (predict(row(accelerator=name)) for name in ("H100-SXM", "H100-SXM-96GB-HBM2e-500W"))
    assert 0.80 < slow.tokens_per_s / fast.tokens_per_s < 0.95


# --- TPUs ------------------------------------------------------------------------------------------------------------


def tpu(**changed):
    return row(accelerator="TPUv5p", framework="MaxText", zero_stage_or_fsdp="FSDP", **changed)


def test_a_second_slice_hardly_slows_a_job_that_shards_inside_slices():
    two = {"interconnect_inter": "DCN between slices", "zero_stage_or_fsdp": "FSDP in slice, DP over 2 slices"}
    one = predict(tpu(n_accelerators="128"))
    both = predict(row(accelerator="TPUv5p", framework="MaxText", n_accelerators="256", **two))
    assert 0.90 < both.tokens_per_s / one.tokens_per_s <= 1.001


def test_sharding_across_slices_would_be_slow():
    """Weights would pass the data-centre network for every microbatch, at a hundredth of the rate of the torus."""
    on = found(tpu(n_accelerators="256", interconnect_inter="DCN between 2 slices"))
    assert on.slice == 128
    inside, recipe = Layout(tensor=8, data=32, zero=3, shard=16), Recipe(batch=32, sequence=2048, gradient_bytes=2)
    both = evaluate(on.machine, LLAMA, recipe, Layouts.of([inside, replace(inside, shard=0)])).total
    assert both[1] > 1.1 * both[0]


def test_traffic_that_nothing_hides_shows_in_full():
    on = found(tpu(n_accelerators="64"))
    layout, recipe = Layouts.of([Layout(data=64, zero=3)]), Recipe(batch=64, sequence=8192)

    def shown(hidden, overlap=True):
        view = replace(on.machine, hidden=hidden)
        parts = dict(evaluate(view, LLAMA, replace(recipe, overlap=overlap), layout).at(0).parts)
        return parts["data parallel"]

    assert shown(0.0) == pytest.approx(shown(1.0, overlap=False))
    assert shown(1.0) < shown(0.5) < shown(0.0)


def test_a_jax_job_takes_a_replicas_share_at_once_and_leaves_no_replica_idle():
    whole = predict(tpu(n_accelerators="64", global_batch_seqs="192", micro_batch=""))
    assert "microbatch 3" in whole.layout
    crowded = predict(tpu(n_accelerators="256", global_batch_seqs="64"))
    assert "TP 4" in crowded.layout
    assert "DP 64" in crowded.layout


def test_a_microbatch_is_never_larger_than_a_replicas_share():
    made = predict(tpu(n_accelerators="64", global_batch_seqs="128", micro_batch="3"))
    assert "microbatch 2" in made.layout


def test_eight_bit_integers_have_a_peak_of_their_own_where_there_is_one():
    assert precision("int8 (AQT)", frozenset({"bf16", "int8"})) == ("int8", False)
    assert precision("int8 (AQT)", frozenset({"bf16", "fp8"})) == ("fp8", True)
    wide, narrow = (predict(tpu(n_accelerators="64", precision=name)) for name in ("bf16", "int8 (AQT)"))
    assert narrow.peak == 2 * wide.peak
    assert 1 < narrow.tokens_per_s / wide.tokens_per_s < 2


@pytest.mark.parametrize(
    ("written", "replicas"),
    [
        ("FSDP over 64 chips in slice, DP over 2 slices", 64),
        ("FSDP 8", 8),
        ("FSDP", None),
        ("ZeRO-3", None),
        ("", None),
    ],
)
def test_the_sharding_group_is_read_from_words(written, replicas):
    assert sharded(written) == replicas


def test_hybrid_sharding_on_gpus_stays_in_the_node():
    """HSDP gathers weights over NVLink only, so on slow interfaces it beats sharding over all."""
    slow = {"accelerator": "A100-SXM", "n_accelerators": "128", "interconnect_inter": "50Gb/s per node"}
    hybrid, full = (predict(row(zero_stage_or_fsdp=kind, **slow)) for kind in ("HSDP", "FSDP"))
    assert hybrid.tokens_per_s > full.tokens_per_s
    assert hybrid.memory > full.memory


# --- recomputation ---------------------------------------------------------------------------------------------------


def test_what_a_compiler_leaves_out_and_what_a_policy_repeats():
    h100 = machine(Node.load("HGX-H100"), Accelerator.load("H100-SXM"), Fabric.load("infiniband-ndr-400g"),
                   precision="bf16")  # fmt: skip

    def again(kind, **how):
        recipe = Recipe(batch=8, sequence=8192, **how)
        parts = evaluate(h100, LLAMA, recipe, Layouts.of([Layout(data=8, recompute=kind)])).at(0).parts
        return dict(parts).get("recomputation", 0.0)

    assert again("none") < again("selective") < again("selective", repeats=0.5) < again("full")
    product = 4096 * 14336 / (LLAMA.parameters / LLAMA.layers)  # the last one's share of a layer, embeddings aside
    assert again("full") * (1 - 2 * product) < again("full", stops=True) < again("full")
    assert habits(row(accelerator="TPUv4", framework="MaxText"), "tpu-v5e").sharding == "program"
    assert habits(row(accelerator="H100-SXM", framework="PaxML"), "hopper").recomputes


# --- others ----------------------------------------------------------------------------------------------------------


def test_gaudi_reduces_over_its_own_ports_whatever_the_host_has():
    rates = {
        found(row(accelerator="Gaudi2", n_accelerators="256", interconnect_inter=text)).machine.scaleout
        for text in ("", "2x Mellanox ConnectX-5 Ex 100Gb/s Ethernet")
    }
    assert len(rates) == 1


def test_dies_and_tiles_share_the_ports_of_a_dragonfly():
    assert fabric("Slingshot-11", "MI300A", "cdna3") == "slingshot-11"
    assert fabric("Slingshot-11 4x200Gb/s", "MI250X-GCD", "cdna2") == "slingshot-11-frontier"
    assert fabric("Slingshot-11", "Intel-Max-1550-tile", "ponte-vecchio") == "slingshot-11-aurora"


def test_a_wafer_gains_from_width():
    """GPT-2 small reached 10 % of a CS-2 by 6 N, GPT-J 20 to 22 %."""
    cs2 = machine(Node.load("CS-2"), Accelerator.load("WSE-2"), Fabric.load("swarmx"), precision="fp16")
    recipe, layouts = Recipe(batch=64, sequence=2048, precision="fp16"), Layouts.of([Layout(microbatch=4)])

    def share(layers, hidden):
        model = Transformer(
            name=f"GPT of {hidden}", layers=layers, hidden=hidden, ffn=4 * hidden, heads=hidden // 64,
            kv_heads=hidden // 64, vocabulary=50257, gated=False, tied_embeddings=True,
        )  # fmt: skip
        return evaluate(cs2, model, recipe, layouts).at(0).mfu

    assert share(12, 768) < 0.7 * share(28, 4096)
    assert share(28, 4096) < 0.28


def test_a_changed_catalogue_makes_another_machine(monkeypatch):
    """What the fit does many times: without it every derivative by a parameter of a family would be zero."""
    asked = row(accelerator="H100-SXM")
    before, slow = found(asked).machine, Efficiency.load("hopper").model_copy(update={"gemm": 0.1})
    monkeypatch.setattr(Efficiency, "load", lambda name: slow)
    forget()
    after = found(asked).machine
    monkeypatch.undo()
    forget()
    assert after.gemm < before.gemm == found(asked).machine.gemm

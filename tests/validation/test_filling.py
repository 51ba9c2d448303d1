"""What a row leaves open is filled by one rule, in words that rows really use."""

import csv
import math

import pytest

from simulator import catalogue
from simulator.validation import measurements
from simulator.validation.filling import DECIDING, habits, precision, recompute, zero
from simulator.validation.machines import accelerator, found
from simulator.validation.names import kind, known
from simulator.validation.predict import predict
from simulator.validation.rows import Inputs, UnreadableError, parse
from simulator.validation.shapes import shape
from simulator.validation.spread import Spread, groups, interval
from simulator.validation.wires import bandwidth, fabric, slices
from simulator.workload import Software

GBIT = 1e9 / 8
LEAST = {"id": "x", "model": "GPT-3 175B", "accelerator": "A100", "n_accelerators": "64", "seq_len": "2048",
         "global_batch_seqs": "64"}  # fmt: skip


def inputs(**changed) -> Inputs:
    return parse({**LEAST, **changed})


@pytest.mark.parametrize(
    ("text", "per_node", "gbit"),
    [
        ("8x400Gb/s NDR IB", 8, 400),
        ("8x200Gb/s HDR IB (Selene)", 8, 200),
        ("4x Omni-Path (100Gb/s each)", 8, 50),
        ("4x Omni-Path", 4, 100),
        ("1.6Tb/s RDMA per node", 8, 200),
        ("1600 Gb/s node-node RoCE", 8, 200),
        ("800 Gb/s IB a node (4 HCAs)", 8, 100),
        ("400Gb/s per node", 8, 50),
        ("400Gb/s RoCE per GPU, 3-layer Clos, 1:7 oversubscribed above 3072-GPU pods", 8, 400),
        ("Slingshot-11 4x200Gb/s", 8, 100),
        ("2x Mellanox ConnectX-5 Ex 100Gb/s Ethernet", 8, 25),
        ("Storage: 2x ConnectX-7 IB NDR 400Gb/s, Compute: 8x ConnectX-7 IB NDR 400Gb/s", 8, 400),
        ("1x Ethernet 100Gb/Sec, 8x NVIDIA Quantum-2 CX7 InfiniBand (400Gb/s)", 8, 400),
        ("1x Ethernet 100Gb/Sec, 8x NVIDIA Quantum-2 CX7 InfiniBand (4", 8, None),
        ("8x NDR", 8, 400),
        ("GPU-PCIe: 504 GB/s", 8, 504),
        ("DCN between slices", 4, None),
        ("0x0Gb/s", 8, None),
        ("", 8, None),
    ],
)
def test_a_network_in_words_is_a_rate_per_accelerator(text, per_node, gbit):
    rate = bandwidth(text, per_node)
    assert rate == (None if gbit is None else pytest.approx(gbit * GBIT))


@pytest.mark.parametrize("family", catalogue.names("efficiencies"))
@pytest.mark.parametrize("text", ["", "RoCE", "Slingshot-11", "EFA 400 Gb/s", "DCN between 2 slices", "8x400Gb/s IB"])
def test_every_fabric_named_is_in_the_catalogue(text, family):
    assert fabric(text, "X", family) in catalogue.names("fabrics")


def test_slices_are_counted_where_they_are_named():
    assert slices("FSDP in slice, DP over 4 slices", "") == 4
    assert slices("", "DCN between 2 slices") == 2
    assert slices("FSDP 256", "DCN between slices") == 1


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("FSDP FULL_SHARD (ZeRO-3)", 3), ("FSDP SHARD_GRAD_OP (ZeRO-2)", 2), ("ZeRO-1", 1), ("zero2(dp8)", 2),
        ("zero1(dp2)+tp2+pp4", 1), ("FSDP in slice, DP over 4 slices", 3), ("HSDP", 3), ("DP", 0), ("", None),
        ("FSDP (grad+optimizer sharded, params not resharded after forward; ZeRO-2-like)", 2),
    ],
)  # fmt: skip
def test_sharding_in_words_is_a_stage(text, stage):
    assert zero(text) == stage


@pytest.mark.parametrize(
    ("text", "what"),
    [("full", "full"), ("none", "none"), ("selective", "selective"), ("selective (not full)", "selective"), ("", None),
     ("full (4/3 FLOPs)", "full"), ("save_dot_except_mlp", "selective"), ("unknown", None)],
)  # fmt: skip
def test_recomputation_in_words_is_a_kind(text, what):
    assert recompute(text) == what


def test_a_format_that_is_not_modelled_becomes_the_nearest_and_says_so():
    both, wide = frozenset({"bf16", "fp8"}), frozenset({"bf16"})
    assert precision("nvfp4", both) == ("fp8", True)
    assert precision("nvfp4", both | {"fp4"}) == ("nvfp4", False)
    assert precision("int8 (AQT)", wide | {"int8"}) == ("int8", False)
    assert precision("int8 (AQT)", wide) == ("bf16", True)
    assert precision("mxfp8", both) == ("mxfp8", False)
    assert precision("mixed (fp16 or cbfloat16)", both) == ("fp16", False)
    assert precision("", wide) == ("bf16", False)
    with pytest.raises(UnreadableError):
        precision("fp32", both)


def test_old_frameworks_do_not_fuse_overlap_or_interleave():
    old, new = habits(inputs(year="2021", framework="Megatron-LM"), "ampere"), habits(inputs(year="2024"), "hopper")
    assert (old.fused_attention, old.overlap, old.interleaves, old.dropout) == (False, False, False, True)
    assert (new.fused_attention, new.overlap, new.interleaves, new.dropout) == (True, True, True, False)
    assert not habits(inputs(framework="PyTorch + no FlashAttention"), "ampere").fused_attention
    assert habits(inputs(framework="PyTorch + FlashAttention-2"), "ampere").fused_attention
    assert habits(inputs(), "tpu").zero == 3


def test_trainium_had_no_fused_attention_before_2024_and_splits_no_product_to_hide_traffic():
    for year, fused in ((2023, False), (2025, True)):
        usual = habits(inputs(framework="NeMo-Megatron / NeuronX Distributed", year=str(year)), "trainium")
        assert (usual.fused_attention, usual.software) == (fused, "neuron")
    assert Software.load("neuron").exposed == 1 > Software.load("xla").exposed


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("LLAMA2-13B", "Llama-2-13B"), ("Nemotron-4 340B", "Nemotron-4-340B"), ("Grok-1 314B (proxy)", "Grok-1"),
        ("DeepSeek V3 671B", "DeepSeek-V3"), ("DeepSeek-V3 truncated to 4 layers", "DeepSeek-V3"),
        ("Llama-4 Maverick 400B", "Llama-4-Maverick"), ("GPT-3 175B (MLPerf)", "GPT-3-175B"),
    ],
)  # fmt: skip
def test_a_model_is_found_by_its_name(written, name):
    assert known(written).name == name


@pytest.mark.parametrize("written", ["GPT-3 126M", "GPT3-20B", "Llama-2 35b", "DeepSeek-V4 Pro", "", "7B", "9" * 5000])
def test_a_model_of_another_size_or_none_is_not_taken_for_it(written):
    assert known(written) is None


def test_only_decoders_are_language_models_here():
    assert kind("Nemotron-3 Nano (hybrid Mamba-MoE)") == "a Mamba hybrid"
    assert kind("Nemotron V3 Super 120B") == "a Mamba hybrid"
    assert not kind("Nemotron-340B")
    assert not kind("GPT-3 175B")


def test_a_truncated_model_keeps_the_structure_and_not_the_depth():
    model, filled = shape(inputs(model="DeepSeek-V3 truncated to 4 layers", layers="4", hidden="7168", heads="128",
                                 n_experts="256", experts_topk="8", ffn_hidden="2048"))  # fmt: skip
    assert (model.layers, model.attention, model.shared_experts, model.experts) == (4, "mla", 1, 256)
    assert not {"layers", "hidden", "heads", "ffn_hidden"} & set(filled)


def test_a_name_of_another_width_is_another_model():
    model, _ = shape(inputs(model="Llama-3 8B", layers="16", hidden="2048", ffn_hidden="8192", params_b="1.2"))
    assert model.hidden == 2048
    assert model.heads == 16


@pytest.mark.parametrize("billions", [0.1, 1.3, 7, 34, 175])
def test_a_shape_nobody_states_has_the_parameters_that_are(billions):
    model, filled = shape(inputs(model="unheard of", params_b=str(billions)))
    body = model.parameters - model.embedding_parameters
    assert body == pytest.approx(billions * 1e9, rel=0.15)
    assert {"layers", "hidden", "heads"} <= set(filled)


def test_the_width_of_a_head_follows_from_the_parameters():
    """Qwen3-30B-A3B: 32 heads of 128 on a width of 2048."""
    model, _ = shape(inputs(model="Qwen3-30B-A3B", params_b="30.5", layers="48", hidden="2048", ffn_hidden="768",
                            gated_mlp="true", heads="32", kv_heads="4", vocab="151936", n_experts="128",
                            experts_topk="8"))  # fmt: skip
    assert model.head == 128
    assert model.parameters == pytest.approx(30.5e9, rel=0.02)


# one die of a tile, D1, has no edge that weights could enter through
WHOLE = [name for name in catalogue.names("accelerators") if name != "D1"]
SPELLINGS = ["GB300", "B300", "GH200", "TPU7x (Ironwood)", "MI300X", "MI350X", "MI355X", "CS-3", "Intel-Max1550-tile",
             "H100-SXM-96GB-HBM2e-500W"]  # fmt: skip


@pytest.mark.parametrize("name", [*WHOLE, *SPELLINGS])
def test_every_accelerator_of_the_catalogue_can_be_asked_for(name):
    made = predict(inputs(accelerator=name, model="Llama-3-8B", seq_len="4096", precision="bf16"))
    assert 0 < made.mfu < 1
    about = interval(made)
    assert about.low < about.high


def test_a_family_nobody_measured_says_extrapolated():
    assert not interval(predict(inputs(accelerator="GB200"))).extrapolated
    dojo = interval(predict(inputs(accelerator="Dojo", model="Llama-3-8B", seq_len="4096")))
    assert dojo.extrapolated == "extrapolated: no measurement of dojo"


def test_a_size_nobody_measured_says_extrapolated():
    huge = predict(inputs(n_accelerators="100000", global_batch_seqs="100000", tp="8", pp="1"))
    assert "measured on up to" in interval(huge).extrapolated


def test_an_unmeasured_family_has_the_widest_interval():
    widest = Spread.load("unmeasured")
    assert widest.low <= Spread.load("all").low
    assert widest.high >= Spread.load("all").high


def test_a_node_of_four_has_a_domain_of_four_and_a_rack_keeps_its_own():
    assert found(inputs(accelerators_per_node="4")).machine.domain == 4
    assert found(inputs(accelerator="GB200", accelerators_per_node="4")).machine.domain == 72


def test_an_unknown_accelerator_names_the_nearest():
    with pytest.raises(UnreadableError, match="A100-SXM"):
        accelerator("A1000-SXM")


def test_what_decides_makes_a_row_inferred():
    full = {"framework": "Megatron-LM", "year": "2024", "tp": "8", "pp": "8", "vpp": "2", "micro_batch": "1",
            "recompute": "none", "precision": "bf16", "layers": "96", "hidden": "12288", "heads": "96"}  # fmt: skip
    assert predict(inputs(**full)).stated
    for name in ("micro_batch", "recompute", "vpp", "tp", "layers"):
        made = predict(inputs(**{**full, name: ""}))
        assert name in made.inferred
        assert name in DECIDING
        assert not made.stated


def test_text_that_names_no_setting_is_said_to_have_been_filled():
    for column in ("recompute", "zero_stage_or_fsdp"):
        made = predict(inputs(**{column: "gibberish"}))
        assert f"{column}: 'gibberish' is not understood" in made.remarks
        assert column in made.inferred
        unsaid = predict(inputs(**{column: "n/a"}))
        assert made.step_time_s == unsaid.step_time_s
        assert not any("understood" in remark for remark in unsaid.remarks)


def test_groups_go_from_narrow_to_wide():
    made = predict(inputs())
    assert groups(made) == ("ampere-inferred-dense", "ampere-dense", "ampere")


def test_every_row_with_a_network_in_numbers_gets_a_sane_rate():
    texts = {row["interconnect_inter"] for row in csv.DictReader(measurements().read_text().splitlines())}
    for text in texts:
        rate = bandwidth(text, 8)
        assert rate is None or (math.isfinite(rate) and 1e9 < rate < 1e11), text


@pytest.mark.parametrize(
    ("framework", "model", "expected"),
    [
        ("NeMo v24.11.1", "Grok-1 314B", (True, True, "each")),
        ("NeMo v25.05.05", "DeepSeek-V3", (True, True, "each")),
        ("Megatron-Bridge / NeMo 25.11", "Qwen3-235B-A22B", (True, True, "once")),
        ("Megatron-Bridge / NeMo 26.06.01", "Qwen3-235B-A22B", (True, True, "device")),
        ("Megatron-Bridge / NeMo 25.09", "Qwen3-235B-A22B (tokendrop)", (True, False, "each")),
        ("HAI-LLM (DualPipe)", "DeepSeek-V3", (False, True, "once")),
        ("Megatron-Core (MoE model zoo)", "DeepSeek-V3", (True, True, "once")),
        ("MaxText", "Mixtral 8x22B", (False, True, "each")),
    ],
)
def test_only_dropless_tokens_travel_once(framework, model, expected):
    usual = habits(inputs(framework=framework, model=model, year="2025"), "blackwell")
    assert (usual.splits_experts, usual.dropless, usual.dispatch) == expected
    assert habits(inputs(framework=framework, model=model, year="2025"), "hopper").dispatch != "device"


@pytest.mark.parametrize(("model", "split"), [("Grok-1", True), ("DeepSeek-V3", False)])
def test_megatron_splits_wide_experts_and_keeps_fine_ones_whole(model, split):
    """On four tensor ranks split experts need a quarter of the memory, which the total shows."""
    row = {"framework": "NeMo", "model": model, "accelerator": "H100", "n_accelerators": "512", "seq_len": "4096",
           "global_batch_seqs": "1024", "tp": "4", "pp": "8", "ep": "8", "year": "2025", "vpp": "1",
           "recompute": "full", "micro_batch": "1"}  # fmt: skip
    megatron, other = (predict(inputs(**(row | {"framework": name}))).memory for name in ("NeMo", "other"))
    assert (megatron < 0.6 * other) == split


def test_a_model_of_the_catalogue_brings_its_routing():
    model, _ = shape(inputs(model="DeepSeek-V3", layers="8"))
    assert (model.routing_limit, model.next_tokens) == (4, 0)  # cut short, so without what follows the last layer


DUAL = {
    "framework": "HAI-LLM (DualPipe)", "model": "DeepSeek-V3", "accelerator": "H800-SXM", "n_accelerators": "2048",
    "seq_len": "4096", "global_batch_seqs": "15360", "tp": "1", "pp": "16", "ep": "64", "precision": "fp8",
}  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), [
    ({}, True), ({"framework": "HAI-LLM"}, False), ({"pp": "32", "global_batch_seqs": "2048"}, False),
])  # fmt: skip
def test_a_framework_brings_its_schedule_where_it_fits(changes, expected):
    assert ("dualpipe" in predict(inputs(**(DUAL | changes))).layout) == expected


@pytest.mark.parametrize(("framework", "model", "trained"), [
    ("NeMo v25.05.05", "DeepSeek-V3", True), ("Megatron-Bridge / NeMo 25.11", "DeepSeek-V3 (w/o MTP)", False),
    ("NeMo AutoModel (PyTorch DTensor/FSDP2)", "DeepSeek V3 671B", False), ("MaxText", "DeepSeek-V3", False),
])  # fmt: skip
def test_further_tokens_are_predicted_where_the_framework_does(framework, model, trained):
    """The FLOPs of a token that these sources print: 260 GFLOP with them, 250 without."""
    row = DUAL | {"framework": framework, "model": model}
    assert predict(inputs(**row)).causal_flops_per_token == pytest.approx(260e9 if trained else 250e9, rel=0.01)


def test_megatron_bridge_interleaves_only_where_its_tables_say_so():
    assert not habits(inputs(framework="Megatron-Bridge / NeMo 26.04", year="2026"), "blackwell").interleaves


LLAMA = {
    "framework": "Megatron-LM", "model": "Llama-3.1-405B", "accelerator": "H100-SXM", "n_accelerators": "2304",
    "seq_len": "8192", "global_batch_seqs": "1024", "tp": "8",
}  # fmt: skip


@pytest.mark.parametrize(("pipeline", "said"), [("18", "first 7, last 7 layers"), ("16", "PP 16 · x")])
def test_stages_are_even_where_the_layers_divide(pipeline, said):
    assert said in predict(inputs(**LLAMA, pp=pipeline, vpp={"18": "7", "16": "8"}[pipeline])).layout


def test_open_stages_divide_the_layers_or_are_powers_of_two():
    """128 layers: a search would try 65 stages too."""
    row = LLAMA | {"model": "Grok-3", "n_accelerators": "98304", "global_batch_seqs": "31250"}
    stages = next(part for part in predict(inputs(**row)).layout.split(" · ") if part.startswith("PP "))
    assert 128 % int(stages.removeprefix("PP ")) == 0

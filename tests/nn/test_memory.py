import os
import platform
import subprocess
import sys

import pytest
import torch

from tunesmith.nn import devices
from tunesmith.nn.memory import free_bytes, growth, micro_batch, step_bytes
from tunesmith.zoo import encoders

SHAPE = {"width": 64, "blocks": 2, "heads": 4}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("tokens", [8, 32])
def test_the_estimate_is_near_what_torch_keeps(precision, tokens):
    encoder = encoders.from_config(
        {
            "model_type": "bert",
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 256,
            "vocab_size": 50,
            "max_position_embeddings": 32,
        }
    ).eval()
    own = {p.untyped_storage().data_ptr() for p in encoder.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and tensor.numel() >= 16 * tokens:  # no copies of weights
            kept[storage.data_ptr()] = storage
        return tensor

    ids = torch.randint(0, 50, (16, tokens), generator=torch.Generator().manual_seed(0))
    hidden = encoder.stem(ids, torch.ones_like(ids)).detach().requires_grad_()
    context = encoder.context(hidden, torch.ones_like(ids))
    with (
        devices.autocast(precision),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        encoder.run(hidden, context)
    copies = 0 if precision == "fp32" else 2 * sum(p.numel() for p in encoder.blocks.parameters())
    found = sum(storage.nbytes() for storage in kept.values()) - copies
    guess = step_bytes(16, tokens, precision=precision, **SHAPE)
    assert 0.85 * found < guess < 1.35 * found


def asked(batch, free, tokens=64):
    return micro_batch(batch, tokens, precision="bf16", free=free, **SHAPE)


def test_a_batch_that_fits_is_one_piece():
    row = step_bytes(1, 64, precision="bf16", **SHAPE)
    assert asked(32, 64 * row) == 32
    assert asked(32, 64 * row - 1) == 16
    assert asked(32, None) == 32


def test_pieces_are_equal_and_never_empty():
    row = step_bytes(1, 64, precision="bf16", **SHAPE)
    assert asked(32, 60 * row) == 16
    assert asked(30, 24 * row) == 10
    assert asked(32, 0) == 1
    assert asked(32, 60 * row, tokens=32) == 32


@pytest.fixture
def files(tmp_path):
    def write(**texts):
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        return tmp_path / "info", (tmp_path / "most", tmp_path / "now")

    return write


@pytest.mark.skipif(devices.device().type == "cuda", reason="asks the device")
def test_free_memory_is_the_machines_or_what_the_container_has_left(files):
    info = "MemTotal: 9 kB\nMemAvailable:  1000 kB\n"
    assert free_bytes(*files(info=info)) == 1_024_000
    assert free_bytes(*files(info=info, most="max", now="5")) == 1_024_000
    assert free_bytes(*files(info=info, most="5000", now="2000")) == 3000
    assert free_bytes(*files(info=info, most="5000", now="6000")) == 0
    assert free_bytes(*files(info="nothing")) is None


PIECES = """
import gc
from tunesmith.nn.memory import growth, hold
gc.disable()
def piece():
    made = bytearray(8 * 1024**2)
    made[::1024] = b"1" * len(made[::1024])
    return made
"""
GROWS = """
with growth() as grown:
    held = [piece() for _ in range(12)]
    del held
    print(grown())
"""
STEPS = """
import resource
hold()
for step in range(6):
    if step == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [piece() for _ in range(6)]
    del held
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def told(script, **settings):
    """What a script prints in a process of its own: what other tests left here may be freed
    meanwhile."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", PIECES + script]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**known, **settings}
    )
    return done.stdout.strip()


@pytest.mark.parametrize("before", ["", "hold(); [piece() for _ in range(12)]"])
def test_growth_is_what_was_held_at_most(before):
    found = told(before + GROWS)
    if found == "None":
        pytest.skip("this machine does not tell it")
    assert 80e6 < int(found) < 200e6


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no other allows it")
def test_steps_take_the_memory_that_others_freed_unless_somebody_wants_it_otherwise():
    pages = 5 * 6 * 8 * 1024**2 // os.sysconf("SC_PAGE_SIZE")
    assert int(told(STEPS)) < 0.1 * pages
    assert int(told(STEPS, MALLOC_TRIM_THRESHOLD_="65536")) > 0.9 * pages


@pytest.mark.skipif(torch.cuda.is_available(), reason="the accelerator's memory is told anywhere")
def test_growth_is_unknown_where_the_system_does_not_tell(tmp_path):
    with growth(tmp_path / "nowhere") as unknown:
        assert unknown() is None

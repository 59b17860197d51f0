"""Where the time of training goes, beside what the machine can do: `python benchmarks/profile_training.py --cache CACHE`.

Trains one fold of EmoDB on one thread, as the preset `tuned` does, under PyTorch's profiler, with compiled loops and without.
Printed: milliseconds a batch for each kind of work; the operations of the convolutions a second beside those of a large product
of matrices; and the bytes of the largest maps that the loops read and write a second beside those of a copy.
"""

import argparse
import time
from collections import Counter
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from precompute.cache import places
from wser import models, protocols
from wser.config.compose import load
from wser.data.dataset import input_shape, open_dataset
from wser.execution import describe
from wser.training.batches import Batches
from wser.training.module import Training
from wser.training.network import keep_memory
from wser.training.standardise import Standardise
from wser.training.statistics import measure

BATCHES = 20

KINDS = {
    "convolutions": ("convolution", "mkldnn_conv"),
    "compiled loops": ("CompiledFxGraph",),
    "pooling": ("pool",),
    "batch norm": ("batch_norm", "MaskedNorm", "NormActivatePool"),
    "masks and activations": ("masked_fill", "threshold", "clamp", "fill_", "addcmul"),
    "LSTM": ("rnn",),
    "optimiser": ("Optimizer", "adam"),
    "loading": ("DataLoader",),
    "copies and casts": ("copy", "cat"),
}
"""Parts of the names of PyTorch's operators; what fits none is the rest."""


def best(work: object, times: int = 7) -> float:
    """Least seconds that a call takes."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()  # type: ignore[operator]
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="directory of caches")
    parser.add_argument("--corpus", default="emodb")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    left, right = torch.randn(2048, 2048).bfloat16(), torch.randn(2048, 2048).bfloat16()
    product = 2 * 2048**3 / best(lambda: left @ right) / 1e9
    source, target = torch.zeros(2**26), torch.empty(2**26)
    copied = 2 * source.nbytes / best(lambda: target.copy_(source)) / 1e9
    print(f"one core: {product:.0f} GFLOP/s of a bfloat16 product of matrices, {copied:.1f} GB/s of a copy, read and written")

    (config,) = load([f"corpus={options.corpus}", "protocol=loso"])
    dataset = open_dataset(places.parse(str(options.cache)), tuple(config.corpus), config.recipe)
    fold = protocols.load(config.protocol).folds(dataset.examples, config.selection, dataset.dropped_keys)[0]
    layers = describe.layers(config, dataset.item, len(dataset.classes))
    in_convolutions = sum(layer.multiply_adds for layer in layers if layer.name.startswith("conv"))
    for fused in (False, True):
        torch.manual_seed(0)
        network = models.build(config.model, input_shape(dataset.item), len(dataset.classes))
        if fused:
            network.fuse(torch.bfloat16)
        own = Standardise(dataset.item, measure(dataset, fold.train), dataset.table, own=True)
        module = Training(network, own, config.train)
        optimiser = torch.optim.AdamW(module.parameters(), fused=True)
        batches = Batches(dataset, fold, config.data, config.train.batch, 0)
        columns, count, map_bytes = 0, 0, 0

        def train(
            most: int, module: Training = module, optimiser: torch.optim.Optimizer = optimiser, batches: Batches = batches
        ) -> list[tuple[int, int]]:
            shapes = []
            for number, batch in enumerate(batches.train_dataloader()):
                if number == most:
                    break
                with torch.autocast("cpu", torch.bfloat16):
                    loss = module.training_step(batch, 0)["loss"]
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                shapes.append((len(batch.labels), batch.values.shape[2]))
            return shapes

        train(BATCHES)
        started = time.perf_counter()
        train(BATCHES)
        seconds = time.perf_counter() - started
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            shapes = train(BATCHES)
        columns = sum(utterances * width for utterances, width in shapes)
        count = sum(utterances for utterances, _ in shapes)
        by_kind: Counter[str] = Counter()
        for row in profiled.key_averages():
            kind = next((kind for kind, parts in KINDS.items() if any(part in row.key for part in parts)), "rest")
            by_kind[kind] += row.self_cpu_time_total / 1000 / BATCHES
        print(f"\n{'compiled loops' if fused else 'layer by layer'}: {1000 * seconds / BATCHES:.0f} ms a batch, "
              f"{count / seconds:.0f} utterances a second")  # fmt: skip
        for kind, milliseconds in by_kind.most_common():
            print(f"  {kind:24}{milliseconds:8.1f} ms")
        # Forwards, and twice backwards; of the columns that the batches hold.
        operations = 2 * 3 * in_convolutions * columns / dataset.item.steps / BATCHES
        rate = operations / (by_kind["convolutions"] / 1000) / 1e9
        print(f"  convolutions: {operations / 1e9:.1f} GFLOP a batch, {rate:.0f} GFLOP/s")
        if fused:
            # Maps after the first stage, bfloat16: the loops read them three times and write their gradient once; what they
            # write of cells is an eighth as large, and not counted.
            map_bytes = 4 * 2 * 48 * 128 * columns / BATCHES
            print(f"  loops of the first stage: {map_bytes / 1e6:.0f} MB a batch")


if __name__ == "__main__":
    main()

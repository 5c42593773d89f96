"""How far repeated live measurements agree, and how often their 95 % intervals hold the pooled median.

    python -m tests.bench.repeatability --repeats 20 --device cpu --workload mnist_lenet5 --threads 1

A live measurement of one training step is made again and again with the default plan. Then intervals of made-up
samples, whose true median is known, are counted: correlated from step to step and shifted from block to block.
"""

import argparse
import sys

import numpy as np

from baselines.resampling import median_interval

LEVEL = 0.95
PAIR_WITHIN = 0.03  # by which two measurements on the same idle device should agree
TRIALS = 1000
CASES = {  # (correlation of successive samples, shift of blocks in units of the samples' spread)
    "independent": (0.0, 0.0),
    "correlated": (0.8, 0.0),
    "correlated, blocks shifted by as much": (0.8, 1.0),
    "independent, blocks shifted threefold": (0.0, 3.0),
}


def measured(device, workload_name, repeats, batch_size=None, plan=None):
    """The Measurements of `repeats` live measurements of one workload's eager step, one after the other."""
    import baselines
    from harness.settings import shipped
    from harness.training.data import samples as data
    from harness.training.step import build_step

    workload, precision = shipped.load(workload_name), shipped.precision("fp32")
    batch_size = batch_size or workload.batch_size
    step = build_step(workload, precision, batch_size, device)
    subject = baselines.Subject(workload=workload.name, model=workload.target, batch_size=batch_size)
    batch = data.random_batch(step, workload, 0)
    return [
        baselines.measure(step, device, "eager", subject=subject, batch=batch, plan=plan or baselines.Plan())
        for _ in range(repeats)
    ]


def agreement(measurements):
    """{what: share} of how repeated Measurements of one step agree; spreads are shares of the pooled median."""
    medians = np.array([one.step_s for one in measurements])
    pooled = float(np.median(np.concatenate([one.samples_s for one in measurements])))
    intervals = np.array([one.interval_s(LEVEL) for one in measurements])
    pairs = np.abs(np.diff(medians)) / np.minimum(medians[1:], medians[:-1])
    quarter, half, three_quarters = np.percentile(medians, [25, 50, 75]) / pooled
    return {
        "medians, interquartile range": three_quarters - quarter,
        "medians, smallest to largest": float(np.ptp(medians)) / pooled,
        "neighbours that agree within 3 %": float((pairs <= PAIR_WITHIN).mean()),
        "intervals that hold the pooled median": float(
            ((intervals[:, 0] <= pooled) & (pooled <= intervals[:, 1])).mean()
        ),
        "width of an interval, median": float(np.median(np.ptp(intervals, axis=1))) / pooled,
        "marked unstable": float(np.mean([one.unstable for one in measurements])),
        "median of the medians over the pooled one": half,
    }


def made_up(rng, trials, blocks, samples, correlation, shift):
    """float64 (trials, blocks * samples), positive samples about 1, which is their true median, spread by 1 %."""
    noise = rng.normal(size=(trials, blocks, samples))
    for i in range(1, samples):
        noise[..., i] = correlation * noise[..., i - 1] + np.sqrt(1 - correlation**2) * noise[..., i]
    shifted = noise + shift * rng.normal(size=(trials, blocks, 1))
    return np.exp(0.01 * shifted).reshape(trials, -1)


def simulated_coverage(blocks=5, samples=10, trials=TRIALS, seed=0):
    """{case: share of the intervals that hold the true median} for samples of the default plan's shape."""
    found, block = {}, np.repeat(np.arange(blocks), samples)
    for name, (correlation, shift) in CASES.items():
        drawn = made_up(np.random.default_rng(seed), trials, blocks, samples, correlation, shift)
        intervals = np.array([median_interval(row, block, LEVEL, i) for i, row in enumerate(drawn)])
        found[name] = float(((intervals[:, 0] <= 1) & (intervals[:, 1] >= 1)).mean())
    return found


def main():
    """Measure and count as the command line says, and write the figures to standard output."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--repeats", type=int, default=20, help="live measurements; 0: only made-up samples")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workload", default="mnist_lenet5")
    parser.add_argument("--threads", type=int, default=0, help="of torch on the CPU; 0: its own choice")
    parser.add_argument("--trials", type=int, default=TRIALS, help="made-up measurements of each case; 0: none")
    given = parser.parse_args()
    lines = []
    if given.repeats:
        import torch

        if given.threads:
            torch.set_num_threads(given.threads)
        found = measured(given.device, given.workload, given.repeats)
        context = found[-1].context
        lines += [
            f"{given.repeats} measurements of {given.workload} on {found[0].device}, "
            f"{torch.get_num_threads()} threads, "
            f"{1e3 * float(np.median([one.step_s for one in found])):.4g} ms a step, "
            f"{context['load_average']:.2g} processes wanted the {context['cpus']} CPUs at the end"
        ]
        lines += [f"  {name}: {value:.1%}" for name, value in agreement(found).items()]
    if given.trials:
        lines.append(
            f"{given.trials} made-up measurements, 5 blocks of 10 samples, intervals that hold the true median:"
        )
        lines += [f"  {name}: {value:.1%}" for name, value in simulated_coverage(trials=given.trials).items()]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

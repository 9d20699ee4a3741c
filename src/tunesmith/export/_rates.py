"""Learning-rate schedules as code, and the steps that go by them."""

from __future__ import annotations

FALLS = {
    "linear": "1 - rest",
    "cosine": "0.5 * (1 + math.cos(math.pi * rest))",
}
RATE = '''\
def rate(progress: float, warmup: float) -> float:
    """The share of the peak learning rate at a share of the schedule."""
    if progress < warmup:
        return max(progress / warmup, 0.02)
{fall}
'''
WAVES = '''\
def rate(progress: float, warmup: float) -> float:
    """The share of the peak learning rate at a share of the schedule: down and up four
    times, ever more slowly."""
    turns = math.log2(1 + 15 * min(progress, 1.0))
    return 0.5 * (1 - math.cos(2 * math.pi * turns))
'''
STEPS = """\
        optimizer = torch.optim.AdamW(self.groups(), betas=(0.9, {beta}))
        peaks = [group["lr"] for group in optimizer.param_groups]
        count = max(1, round(len(table) / self.batch_size))
        steps = count * self.epochs
        self.network.train()
        for step in range(min(steps, math.ceil(count * self.stop_after) or steps)):
            if step % count == 0:
                batches = np.array_split(dice.permutation(len(table)), count)
            rows = torch.from_numpy(batches[step % count]).to(DEVICE)
            share = rate(step / steps, {warmup})
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * share
"""
"""Inside `fit`, up to the answer to the `rows` of a step: `self.network` trains, at the learning
rates of `self.groups()`."""


def rate_code(schedule: str) -> str:
    """The function `rate(progress, warmup)`."""
    if schedule == "coslog4":
        return WAVES
    if schedule not in FALLS:
        return RATE.format(fall="    return 1.0")
    return RATE.format(
        fall="    rest = min(1.0, (progress - warmup) / max(1e-9, 1 - warmup))\n"
        f"    return {FALLS[schedule]}"
    )

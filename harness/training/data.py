"""Samples to train on: real data sets from disk, the digits that scikit-learn bundles, real text, or synthetic ones."""

import sysconfig
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, TensorDataset

from harness.settings.errors import DataError


class DataName(Enum):
    digits = "digits"
    mnist = "mnist"
    cifar10 = "cifar10"
    imagenet = "imagenet"
    python_source = "python_source"
    text = "text"
    synthetic = "synthetic"


from harness.training.step import is_text


@dataclass
class DataConfig:
    """Which samples to train on."""

    name: DataName
    root: str | None = None
    workers: int = 0


def schema_of(name):
    return DataConfig


HELD_OUT = 0.2  # of data without a split of their own
SYNTHETIC_BATCHES = 4  # different batches that synthetic training goes round
DIFFERENT = 64  # random samples that a batch for timing repeats


@dataclass(frozen=True, eq=False)
class Samples:
    """Training and held-out samples; `real` says whether accuracy on them means something."""

    train: Dataset
    held_out: Dataset
    name: str
    real: bool


def load(config, workload, batch_size, seed):
    """The Samples that `config` (DataConfig) names, in the input shape of `workload`.

    Raises DataError where they are missing, damaged or do not suit the workload.
    """
    text = config.name in (DataName.python_source, DataName.text)
    if text != is_text(workload) and config.name is not DataName.synthetic:
        kind = "text, e.g. data=python_source" if is_text(workload) else "images, e.g. data=synthetic"
        raise DataError(f"data={config.name.value} does not suit workload={workload.name}: choose {kind}")
    try:
        samples = LOADERS[config.name](config, workload, batch_size, seed)
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(_advice(config, error)) from None
    for part, size in (("training", len(samples.train)), ("held-out", len(samples.held_out))):
        if part == "training" and size < batch_size:
            raise DataError(f"data={samples.name} has {size} {part} samples: give a batch_size of at most {size}")
    return samples


def batches(dataset, batch_size, config, seed, shuffle, device):
    """A DataLoader of whole batches (the last, smaller one is left out while training)."""
    return DataLoader(
        dataset,
        batch_size,
        shuffle=shuffle,
        drop_last=shuffle,
        num_workers=config.workers,
        pin_memory=torch.device(device).type == "cuda",
        generator=torch.Generator().manual_seed(seed),
    )


def _advice(config, error):
    name, detail = config.name.value, str(error).splitlines()[0] if str(error) else type(error).__name__
    if config.name is DataName.imagenet:
        return (
            f"cannot read data=imagenet from {config.root} ({detail}): it needs the folders train/CLASS and val/CLASS; "
            f"set data.root=FOLDER, or use data=synthetic to time without it"
        )
    return (
        f"cannot read data={name} from {config.root} ({detail}): set data.root=FOLDER to where it lies, connect to the "
        f"network so that it can be downloaded, or use data={'digits' if name == 'mnist' else 'synthetic'}"
    )


def _digits(config, workload, batch_size, seed):
    from sklearn.datasets import load_digits

    bunch = load_digits()
    mean, deviation = 0.3053, 0.3761  # of the pixels, scaled from 0 to 16 to 0 to 1
    images = (torch.tensor(bunch.images, dtype=torch.float32).unsqueeze(1) / 16 - mean) / deviation
    targets = torch.tensor(bunch.target)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))  # the same split for every seed
    split = int(len(order) * (1 - HELD_OUT))
    images = _fit(images, workload)
    parts = [TensorDataset(images[part], targets[part]) for part in (order[:split], order[split:])]
    return Samples(*parts, "digits (scikit-learn)", real=True)


def _mnist(config, workload, batch_size, seed):
    from torchvision.datasets import MNIST

    parts = [_download(MNIST, config.root, train=train) for train in (True, False)]
    mean, deviation = 0.1307, 0.3081  # of the training pixels
    tensors = [((part.data.unsqueeze(1) / 255 - mean) / deviation, part.targets) for part in parts]
    return Samples(*(TensorDataset(_fit(x, workload), y) for x, y in tensors), "MNIST", real=True)


def _cifar10(config, workload, batch_size, seed):
    from torchvision import transforms
    from torchvision.datasets import CIFAR10

    normalise = [transforms.ToTensor(), transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))]
    size = workload.input_shape[-1]
    resize = [] if size == 32 else [transforms.Resize(size)]
    # random crops of the padded image and mirror images: He et al., CVPR 2016, section 4.2
    augment = [*resize, transforms.RandomCrop(size, padding=size // 8), transforms.RandomHorizontalFlip()]
    train = _download(CIFAR10, config.root, train=True, transform=transforms.Compose(augment + normalise))
    held_out = _download(CIFAR10, config.root, train=False, transform=transforms.Compose(resize + normalise))
    return Samples(train, held_out, "CIFAR-10", real=True)


def _imagenet(config, workload, batch_size, seed):
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    size = workload.input_shape[-1]
    normalise = [transforms.ToTensor(), transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    crop = [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), *normalise]
    centre = [transforms.Resize(size * 256 // 224), transforms.CenterCrop(size), *normalise]
    root = Path(config.root)
    train = ImageFolder(root / "train", transforms.Compose(crop))
    held_out = ImageFolder(root / "val", transforms.Compose(centre))
    if len(train.classes) > workload.classes:
        raise ValueError(f"it has {len(train.classes)} classes and workload.classes is {workload.classes}")
    return Samples(train, held_out, "ImageNet folder", real=True)


def _text(config, workload, batch_size, seed):
    if config.name is DataName.text:
        files, name = [Path(config.root)], Path(config.root).name
    else:
        files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
        name = "Python's standard library (source text)"
    tokens = torch.frombuffer(bytearray(b"".join(file.read_bytes() for file in files)), dtype=torch.uint8)
    length = workload.input_shape[0]
    rows = (len(tokens) - 1) // length
    if rows < 2:
        raise ValueError(f"it has {len(tokens)} bytes and a sample needs {length + 1}")
    if int(tokens.max()) >= workload.classes:
        raise ValueError(f"it holds byte {int(tokens.max())} and workload.classes is {workload.classes}")
    inputs = tokens[: rows * length].view(rows, length).long()
    targets = tokens[1 : rows * length + 1].view(rows, length).long()
    split = max(1, int(rows * 0.9))
    parts = [TensorDataset(inputs[part], targets[part]) for part in (slice(split), slice(split, None))]
    return Samples(*parts, name, real=True)


def _synthetic(config, workload, batch_size, seed):
    dataset = TensorDataset(*random_samples(workload, SYNTHETIC_BATCHES * batch_size, seed))
    return Samples(dataset, dataset, "synthetic", real=False)


def random_samples(workload, count, seed):
    """(inputs, targets) of `count` random samples in the workload's input shape."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, *workload.input_shape)
    if is_text(workload):
        inputs = torch.randint(workload.classes, shape, generator=generator)
        return inputs, torch.randint(workload.classes, shape, generator=generator)
    inputs = torch.randn(shape, generator=generator)
    return inputs, torch.randint(workload.classes, (count,), generator=generator)


def random_batch(step, workload, seed):
    """(inputs, targets) on the host, laid out in memory as those of `step` (TrainingStep) are.

    Of a large batch only the first DIFFERENT samples differ: no time depends on more.
    """
    count = len(step.inputs)
    samples = random_samples(workload, min(count, DIFFERENT), seed)
    rows = torch.arange(count) % DIFFERENT
    pairs = zip((step.inputs, step.targets), samples, strict=True)
    return tuple(torch.empty_like(like, device="cpu").copy_(some[rows]) for like, some in pairs)


LOADERS = {
    DataName.digits: _digits,
    DataName.mnist: _mnist,
    DataName.cifar10: _cifar10,
    DataName.imagenet: _imagenet,
    DataName.python_source: _text,
    DataName.text: _text,
    DataName.synthetic: _synthetic,
}


def _fit(images, workload):
    """Images (samples, channels, height, width) resized and repeated to the workload's input shape."""
    channels, *size = workload.input_shape
    if list(images.shape[2:]) != size:
        images = functional.interpolate(images, size=size, mode="bilinear", align_corners=False)
    return images.expand(-1, channels, -1, -1).contiguous()


def _download(dataset, root, **options):
    """The torchvision `dataset` at `root`, fetched there only if it is not there already."""
    try:
        return dataset(root, download=False, **options)
    except RuntimeError:
        return dataset(root, download=True, **options)

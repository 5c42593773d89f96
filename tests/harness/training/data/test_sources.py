"""A data source is one file found by its name; what such a file lacks is one clear error."""

from dataclasses import MISSING, fields

import pytest
from omegaconf import OmegaConf

from harness.settings.errors import ConfigError, DataError
from harness.training.data import sources
from tests.helpers.house import house
from tests.helpers.program import CONF
from tests.helpers.steps import python_in

SOURCE = """
from dataclasses import dataclass

from harness.settings.fields import check
from harness.settings.schema import WorkloadConfig
from harness.training.data.samples import IMAGES, Samples, loading_processes

KIND = IMAGES
ADVICE = "set data.bright to a number"


@dataclass
class StripesData:
    name: str
    bright: float
    workers: int = loading_processes()

    def __post_init__(self):
        check(self, "data")


SCHEMA = StripesData


def load(settings: StripesData, workload: WorkloadConfig, batch_size: int, seed: int) -> Samples:
    import torch
    from torch.utils.data import TensorDataset

    images = torch.full((8, *workload.input_shape), settings.bright)
    return Samples(*2 * [TensorDataset(images, torch.zeros(8, dtype=torch.long))], "stripes", real=True)
"""
SETTINGS = "name: stripes\nbright: 0.5\nworkers: 0\n"
FIND = """
from harness.settings.errors import HalfstepError
from harness.training.data import sources
try:
    print(sources.schema_of("stripes").__name__)
except HalfstepError as error:
    print(type(error).__name__, error)
"""
USE = """
import sys
from omegaconf import OmegaConf
from harness.settings import shipped
from harness.training.data import sources
schema = sources.schema_of("stripes")
assert "torch" not in sys.modules
settings = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), OmegaConf.load("conf/data/stripes.yaml")))
samples = sources.load(settings, shipped.load("mnist_mlp"), 4, 0)
print(samples.name, len(samples.train), float(samples.train[0][0].mean()), "stripes" in sources.names())
"""
BROKEN = {
    "no schema": (lambda text: text.replace("SCHEMA =", "SETTINGS ="), "has no SCHEMA: give SCHEMA = a dataclass"),
    "a schema that is no dataclass": (lambda text: text.replace("@dataclass\n", ""), "has no SCHEMA: give SCHEMA ="),
    "a schema without workers": (
        lambda text: text.replace("    workers: int = loading_processes()\n", ""),
        "StripesData lacks workers",
    ),
    "no load": (lambda text: text.replace("def load(", "def loaded("), "has no load: give a function load(settings"),
    "no kind": (lambda text: text.replace("KIND = IMAGES", "KIND = 'sounds'"), "give KIND = IMAGES, TEXT or EITHER"),
    "no advice": (lambda text: text.replace("ADVICE", "HELP"), "give a text ADVICE"),
    "a slip of the pen": (lambda text: text.replace("class StripesData:", "class StripesData"), "syntax error at"),
    "what raises on import": (lambda text: text + "\n1 / 0\n", "does not import: ZeroDivisionError"),
    "what is not installed": (lambda text: "import no_such_library\n" + text, "needs the module 'no_such_library'"),
}


@pytest.fixture(scope="module")
def other_house(tmp_path_factory):
    return house(tmp_path_factory.mktemp("house"))


def test_a_source_is_one_file_and_its_settings(other_house):
    (other_house / "harness/training/data/stripes.py").write_text(SOURCE)
    (other_house / "conf/data/stripes.yaml").write_text(SETTINGS)
    done = python_in(other_house, USE)
    assert done.stdout.split() == ["stripes", "8", "0.5", "True"], done.stderr


@pytest.mark.parametrize("name", BROKEN)
def test_what_a_source_s_file_lacks_is_one_clear_error(other_house, name):
    breaks, says = BROKEN[name]
    (other_house / "harness/training/data/stripes.py").write_text(breaks(SOURCE))
    done = python_in(other_house, FIND)
    assert done.stdout.startswith("ConfigError "), done.stderr
    assert says in done.stdout and "stripes" in done.stdout


@pytest.mark.parametrize("name", ["no_such_source", "samples", "sources", "../step", "", "digits.py"])
def test_a_source_that_is_not_there_is_refused_with_those_that_are(name):
    with pytest.raises(ConfigError, match=r"there is no data source .*use one of cifar10, digits, .*add harness/train"):
        sources.source(name)


def test_every_source_has_its_settings_in_conf_and_states_no_value_itself():
    assert sources.names() == sorted(path.stem for path in (CONF / "data").glob("*.yaml"))
    for name in sources.names():
        schema, stated = sources.schema_of(name), OmegaConf.load(CONF / "data" / f"{name}.yaml")
        assert {field.name for field in fields(schema)} == set(stated)
        assert all(field.default is field.default_factory is MISSING for field in fields(schema))
        OmegaConf.merge(OmegaConf.structured(schema), stated)
        assert stated.name == name


@pytest.mark.parametrize("workers", [-1, 257])
def test_a_number_of_processes_that_none_has_is_refused(workers):
    with pytest.raises(ConfigError, match=r"data.workers is .*give a number from 0 to below 257"):
        sources.schema_of("digits")(name="digits", workers=workers)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("data=digits", "workload=text_gpt_small"), "choose text, e.g. data=python_source"),
        (("data=python_source", "workload=mnist_mlp"), "choose images, e.g. data=synthetic"),
        (("data=imagenet", "data.root=nowhere", "workload=imagenet_alexnet"), "needs the folders train/CLASS"),
        (("data=text", "data.root=nowhere.txt", "workload=text_gpt_small"), "set data.root=FILE"),
    ],
)
def test_data_that_do_not_suit_or_cannot_be_read_are_told_with_what_to_do(compose, overrides, says):
    config = compose(*overrides)
    with pytest.raises(DataError) as caught:
        sources.load(config.data, config.workload, 2, 0)
    assert says in str(caught.value) and f"data={overrides[0].removeprefix('data=')}" in str(caught.value)

"""What a user names on the command line is found, or the error says why not and what to do."""

import pytest

from harness.settings.errors import CaptureError
from harness.training.target import load_target


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A function that writes a fresh module into the current directory and returns its name."""
    monkeypatch.chdir(tmp_path)
    made = []

    def write(text):
        name = f"target_{tmp_path.name.replace('-', '_')}_{len(made)}"
        (tmp_path / f"{name}.py").write_text(text)
        made.append(name)
        return name

    return write


def test_a_function_in_the_current_directory_is_found(module):
    name = module(
        "class Models:\n    @staticmethod\n    def build():\n        return 42\ndef build():\n    return 41\n"
    )
    assert load_target(f"{name}:build")() == 41
    assert load_target(f"{name}:Models.build")() == 42


@pytest.mark.parametrize("text", ["", "module", ":build", "module:"])
def test_a_text_of_another_form_is_refused(text):
    with pytest.raises(CaptureError, match="names no function"):
        load_target(text)


def test_a_missing_module_is_named():
    with pytest.raises(CaptureError, match="no module 'no_such_package'"):
        load_target("no_such_package.models:build")


def test_a_missing_dependency_of_the_module_is_named(module):
    with pytest.raises(CaptureError, match="needs the module 'no_such_dependency'"):
        load_target(f"{module('import no_such_dependency')}:build")


def test_a_missing_function_lists_what_there_is(module):
    with pytest.raises(CaptureError, match=r"no 'built'.*build"):
        load_target(f"{module('def build(): pass')}:built")


def test_a_module_that_raises_tells_the_line(module):
    name = module("x = 1\nraise ValueError('broken')\n")
    with pytest.raises(CaptureError, match=rf"ValueError: broken at .*{name}.py:2"):
        load_target(f"{name}:build")


def test_a_syntax_error_tells_the_line(module):
    with pytest.raises(CaptureError, match=r"syntax error at .*py:2"):
        load_target(f"{module('x = 1' + chr(10) + 'def :')}:build")


def test_what_cannot_be_called_is_refused(module):
    with pytest.raises(CaptureError, match="is a int"):
        load_target(f"{module('build = 3')}:build")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "harness.training.models:torch.os.system",
            "harness.training.models:torch",
            "harness.training.models:nn.Module",
        ),
        *(
            "torchvision.models:resnet.torch",
            "torchvision.models.resnet:nn.Linear",
            "os:path.join",
            "json:decoder.scanner",
        ),
    ],
)
def test_no_module_is_walked_through(text):
    with pytest.raises(CaptureError, match="is a module that"):
        load_target(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("harness.training.models:lenet5.__globals__", "is no name"),
        ("harness.training.models:__builtins__.eval", "is no name"),
        ("harness.training.models:lenet5.real", "looks into a function"),
        ("torchvision.models.resnet:register_model", "from elsewhere"),
        ("harness.training.models:a b", "is no name"),
        ("harness.training.models:" + "x" * 4000, "has no"),
    ],
)
def test_what_is_no_model_of_a_module_of_models_is_refused(text, says):
    with pytest.raises(CaptureError, match=says) as caught:
        load_target(text)
    assert str(caught.value).count("x") < 250


def test_a_function_that_a_package_brings_from_its_own_parts_is_found(module):
    inner = module("def build():\n    return 43\n")
    assert load_target(f"{module(f'from {inner} import build')}:build")() == 43

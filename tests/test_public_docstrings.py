"""The docstrings of the Python interface: numpydoc sections, and examples that run."""

import doctest
import inspect
import re
from collections.abc import Callable
from importlib import import_module

import pytest

import winnable

DOCUMENTED = winnable.__all__


def sections_of(thing: object) -> set[str]:
    """The numpydoc sections of a docstring."""
    text = inspect.getdoc(thing) or ""
    return set(re.findall(r"^(\w[\w ]*)\n-{3,}$", text, re.MULTILINE))


def methods_of(kind: object) -> dict[str, Callable[..., object]]:
    """The public methods that a class defines itself, by name; a function has none."""
    return {
        name: member
        for name, member in vars(kind).items()
        if inspect.isclass(kind) and inspect.isfunction(member) and not name.startswith("_")
    }


def has_parameters(function: Callable[..., object]) -> bool:
    """Whether a function takes anything but itself."""
    return bool(set(inspect.signature(function).parameters) - {"self", "cls"})


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_docstring_has_the_sections_that_make_sense(name: str) -> None:
    thing = getattr(winnable, name)
    expected = {"Examples"}
    if inspect.isfunction(thing):
        expected |= {"Parameters", "Returns", "Raises"}
    elif not issubclass(thing, Exception):
        expected |= {"Attributes"}
        if has_parameters(thing) and not hasattr(thing, "model_fields"):
            expected |= {"Parameters"}
    assert expected - sections_of(thing) == set(), name


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_public_method_says_what_it_takes_and_returns(name: str) -> None:
    thing = getattr(winnable, name)
    for method_name, method in methods_of(thing).items():
        assert inspect.getdoc(method), f"{name}.{method_name}"
        if has_parameters(method):  # what takes nothing may say what it returns in its first line
            expected = {"Parameters", "Returns"}
            if inspect.signature(method).return_annotation in (None, "None"):  # type: ignore[arg-type]
                expected -= {"Returns"}
            assert expected - sections_of(method) == set(), f"{name}.{method_name}"


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_examples_run(name: str) -> None:
    thing = getattr(winnable, name)
    module = import_module(thing.__module__)
    found = doctest.DocTestFinder(recurse=True).find(thing, name, module=module)
    examples = [test for test in found if test.examples]
    assert examples, f"{name} has no example"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in examples:
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0

"""The verb `demo` before anything starts."""

import argparse
import importlib.util

import pytest

from proxy.cli import demo


def test_once_is_off_unless_asked_for() -> None:
    parser = argparse.ArgumentParser()
    demo.arguments(parser)

    assert parser.parse_args([]).once is False
    assert parser.parse_args(["--once"]).once is True


def test_without_its_packages_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    status = demo.run(argparse.Namespace(once=True), {})

    assert status == 2
    assert "pip install 'moratorium[demo]'" in capsys.readouterr().err

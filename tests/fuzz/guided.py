"""`python -m tests.fuzz.guided CORPUS [libFuzzer's options]`: the rule under atheris, guided by coverage.

Needs atheris, which is not among the project's requirements: `./run verify fuzz` brings it.
"""

import sys

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["proxy", "h11"]):
    from tests.fuzz.rule import examine
    from tests.fuzz.world import with_tokens, worlds


def one_input(data: bytes) -> None:
    raw = with_tokens(data)
    for world in worlds():
        examine(raw, world)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()

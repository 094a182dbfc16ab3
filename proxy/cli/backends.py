"""`moratorium backends`: the presets, and what each of their operations is taken for."""

import argparse
from collections import Counter
from collections.abc import Mapping

from proxy.backends.registry import NAMES, make_backend
from proxy.cli.output import add_output, print_json, print_table
from proxy.policy.operations import CLASS_MEANINGS


def arguments(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    parser.add_argument("name", nargs="?", choices=NAMES, help="show the operations of one backend")


def run(args: argparse.Namespace, _env: Mapping[str, str]) -> int:
    backends = [make_backend(name) for name in ([args.name] if args.name else NAMES)]
    if args.output == "json":
        print_json(
            {
                backend.name: {
                    "token_slots": [
                        " ".join(filter(None, (s.header.decode(), (s.scheme or b"").decode())))
                        for s in backend.slots
                    ],
                    "block_statuses": list(backend.block_statuses),
                    "operations": {o.name: sorted(o.classes) for o in backend.operations()},
                }
                for backend in backends
            }
        )
    elif args.name:
        rows = [(o.name, ", ".join(sorted(o.classes))) for o in backends[0].operations()]
        print_table(("operation", "classes"), rows)
    else:
        table: list[tuple[str, ...]] = []
        for backend in backends:
            counts = Counter(name for o in backend.operations() for name in o.classes)
            slots = ", ".join(s.header.decode() + (" Bearer" if s.scheme else "") for s in backend.slots)
            classes = ", ".join(f"{count} {name}" for name, count in counts.most_common())
            table.append(
                (backend.name, str(len(backend.operations())), slots, classes or "from the policy's routes")
            )
        print_table(("backend", "operations", "token in", "classes"), table)
        print()
        print_table(("class", "meaning"), list(CLASS_MEANINGS.items()))
    return 0

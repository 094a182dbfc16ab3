"""`python -m proxy` is the `moratorium` command."""

import sys

from proxy.cli import main

sys.exit(main())

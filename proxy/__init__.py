"""moratorium: a reverse proxy that enforces moratoria on face recognition.

How a request walks::

    client -> relay.downstream -> enforcer.admit -> pipeline.check -> authn (who)
                    |                  |                           -> backends (what)
                    |                  |                           -> policy (may it)
                    |                  +- supplies what check lacks, writes the record, counts
                    v
               Permit | Denied
                    v
    relay.upstream -> face API     rescue -> the answer, in the backend's own dialect

Deciding (`policy`, `pipeline`, `backends`, `authn.verifier`) is pure: values in, values out, time as an
argument. Doing (`relay`, `doors`, `app`) is asyncio. A refusal is a value, an exception means that nothing
could be decided, and forwarding takes a `Permit` that only the enforcer makes.

The names below are the public API; everything else may move.
"""

from proxy.errors import MoratoriumError
from proxy.pipeline import Rules, check
from proxy.policy.callers import Caller
from proxy.policy.engine import decide
from proxy.policy.model import Permit, Policy, Verdict
from proxy.policy.operations import Operation, OperationClass
from proxy.policy.reasons import Decision, Reason
from proxy.version import __version__

__all__ = [
    "Caller",
    "Decision",
    "MoratoriumError",
    "Operation",
    "OperationClass",
    "Permit",
    "Policy",
    "Reason",
    "Rules",
    "Verdict",
    "__version__",
    "check",
    "decide",
]

"""The traffic port in as many places as there are workers: a queue of connections for each.

The kernel deals connections out by their addresses, so every worker gets its share; from one socket that all
listen on, whoever wakes first takes nearly all of a burst. The queues belong to the parent: when a worker
ends, nobody who waits in its queue is lost, and a neighbour serves that queue until there is a successor.
"""

import socket
from collections.abc import Collection

from proxy.errors import SettingsError
from proxy.relay.listener import bind
from proxy.settings.convert import Address

Queue = list[socket.socket]


def bind_places(address: Address, count: int) -> list[Queue]:
    """For each place its sockets, one for each address that the host has.

    Raises `SettingsError`.
    """
    places: list[Queue] = []
    try:
        # Not shared: fails if anybody listens there already, even another of our own kind.
        alone = bind(*address)
        port = alone[0].getsockname()[1]
        for sock in alone:
            sock.close()
        for _ in range(count):
            places.append(bind(address.host, port, shared=True))
    except OSError as error:
        close_all(places)
        raise SettingsError([f"MORATORIUM_LISTEN: {address}: {error.strerror}"]) from None
    return places


def close_all(places: list[Queue]) -> None:
    for queue in places:
        for sock in queue:
            sock.close()


def deputies(count: int, serving: Collection[int]) -> dict[int, list[int]]:
    """For each worker that serves the places it serves besides its own: it is the next one in the ring."""
    covered: dict[int, list[int]] = {number: [] for number in serving}
    for place in range(1, count + 1):
        if serving and place not in serving:
            ring = ((place - 1 + step) % count + 1 for step in range(1, count))
            covered[next(number for number in ring if number in serving)].append(place)
    return covered

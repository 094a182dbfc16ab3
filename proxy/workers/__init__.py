"""Several processes on one port: a parent that judges nothing, and workers that know nothing of each other.

The parent binds the traffic port and hands the listening sockets on, so that a connection which waits to be
accepted belongs to all workers and is lost with none. It reads the configuration, and gives each worker the
very bytes; it answers probes and scrapes with what the workers tell it.
"""

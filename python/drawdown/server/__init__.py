"""gRPC in front of the engine: raw bytes for hot calls, typed services for the rest.

What lives here: handlers, the one place that says who calls (``access``), the one place that turns
faults into gRPC statuses (``status``), translation between messages and values (``convert``). What
must not: rules about credits, SQL, Redis. Hot calls run on the event loop and do no Python work per
event; typed calls run in worker threads and never on the loop.
"""

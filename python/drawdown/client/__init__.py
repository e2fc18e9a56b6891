"""The interface of a drawdown database and its form over gRPC.

``interface.Database`` is what both ``drawdown.open`` and ``drawdown.connect`` return. Nothing is
imported here, so that the embedded form never loads gRPC.
"""

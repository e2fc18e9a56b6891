"""The door for callers without gRPC: CloudEvents in, entitlement checks, health. Same keys, rights and rules.

``cloud_event`` reads the envelope, ``reported_use`` what it means, ``usage_calls`` and ``check_calls``
answer, ``listener`` listens. Needs the extra ``http`` (Starlette, Uvicorn).
"""

"""API keys as messages."""

from drawdown.model.api_key import ApiKey, facts_of
from drawdown.v1 import admin_pb2 as pb


def api_key_message(key: ApiKey, now_us: int) -> pb.ApiKey:
    """The key as callers may see it at this instant."""
    facts = facts_of(key, now_us)
    made = pb.ApiKey(
        key_id=facts.key_id,
        name=facts.name,
        rights=facts.rights,
        account_prefix=facts.account_prefix,
        certificate=facts.certificate,
        calls_per_s=facts.calls_per_s,
        state=facts.state,
    )
    for field in ("created_at", "expires_at", "revoked_at", "last_used_at"):
        at = getattr(facts, field)
        if at is not None:
            getattr(made, field).FromMicroseconds(at)
    return made

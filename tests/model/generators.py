"""What the stateful tests draw: commands and events, biased towards edges.

Small numbers collide (exhausted exactly, tier edge exactly), extremes find overflow, and instants
are taken around those that already mean something to the account: a grant's ends, its grace, a
period's edge, the acceptance window.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.model.reference_account import Account
from tests.model.reference_ledger import Event, ReferenceLedger
from tests.model.reference_prices import I64_MAX
from tests.model.worlds import DAY, HOUR, MINUTE, NOON, SECOND

ACCOUNTS = ("acme", "globex")
METERS = ("calls", "tokens", "seats", "bytes", "disk", "peak", "level", "users")
USERS_MAX = 3
"""Setting of the stories: one more value of a ``unique`` counter is OVERFLOW."""
CREDIT_TYPES = ("credits", "usd")
TABLES = ("default", "plus")


def one_in(count: int) -> st.SearchStrategy[bool]:
    """True about once in ``count`` draws."""
    return st.integers(1, count).map(lambda drawn: drawn == count)


def mostly(
    common: st.SearchStrategy[Any], rare: st.SearchStrategy[Any], count: int = 10
) -> st.SearchStrategy[Any]:
    """``common``, but about once in ``count`` draws ``rare``."""
    return one_in(count).flatmap(lambda is_rare: rare if is_rare else common)


quantities = mostly(
    st.one_of(st.sampled_from([0, 1, 1, 2, 3, 9, 10, 11, 25, 99, 100, 101]), st.integers(0, 60)),
    st.sampled_from([I64_MAX, I64_MAX - 1, 2**62, 10**12, 199, 200, 201, 1_000, -1]),
)
amounts = mostly(
    st.one_of(
        st.sampled_from([1, 5, 10, 50, 99, 100, 101, 250, 1_000]),
        st.integers(1, 500),
        st.sampled_from(["1", "0.5", "2.50", "100", "12.2"]),
    ),
    st.sampled_from([10**9, 2**62, I64_MAX - 1, I64_MAX, 0, -1, "0.001"]),
)
dimension_sets = st.sampled_from(
    [
        (),
        (),
        (("model", "large"),),
        (("model", "small"),),
        (("region", "eu"),),
        (("model", "large"), ("region", "eu")),
    ]
)
users = st.sampled_from(["ann", "bob", "cy", "dee"]).map(lambda name: (("user", name),))
scopes = mostly(
    st.sampled_from(
        [None, None, None, ["calls"], ["tokens"], ["calls", "tokens"], ["calls", "tokens", "seats"]]
    ),
    st.sampled_from([[], ["nowhere"]]),
    count=20,
)


def catalog_commands() -> list[dict[str, Any]]:
    """Scale 1 and 2, so that rounding is in plain sight; every kind of price; ``disk`` has none."""
    tiers = [{"up_to": "10", "credits": "1"}, {"up_to": "200", "credits": "0.25"}, {"credits": "0.125"}]
    commands: list[dict[str, Any]] = [
        {"type": "create_credit_type", "name": "credits", "scale": 1},
        {"type": "create_credit_type", "name": "usd", "scale": 2},
        {"type": "create_meter", "key": "calls"},
        {"type": "create_meter", "key": "tokens", "quantity_scale": 1, "dimensions": ["model"]},
        {"type": "create_meter", "key": "seats", "aggregation": "count"},
        {"type": "create_meter", "key": "bytes"},
        {"type": "create_meter", "key": "disk"},
        {"type": "create_meter", "key": "peak", "aggregation": "max", "dimensions": ["model"]},
        {"type": "create_meter", "key": "level", "aggregation": "last"},
        {"type": "create_meter", "key": "users", "aggregation": "unique", "unique_of": "user"},
    ]
    prices: list[dict[str, Any]] = [
        {"meter": "calls", "credits": "1"},
        {"meter": "tokens", "credits": "0.75", "per": "10"},
        {"meter": "tokens", "tiers": tiers, "match": {"model": "large"}},
        {"meter": "seats", "credits": "2.5"},
        {"meter": "bytes", "credits": "0.7", "per": "100", "package": True},
        {"meter": "peak", "credits": "0.3"},
        {"meter": "peak", "credits": "0.9", "match": {"model": "large"}},
        {"meter": "level", "tiers": tiers},
        {"meter": "users", "credits": "2.5"},
    ]
    for table in TABLES:
        for price in prices if table == "default" else prices[:2]:
            commands.append({"type": "set_rate", "table": table, "credit_type": "credits", **price})
    commands.append(
        {
            "type": "set_rate",
            "table": "plus",
            "meter": "bytes",
            "credit_type": "usd",
            "credits": "0.013",
            "valid_from": NOON + HOUR,
        }
    )
    commands += [{"type": "create_account", "account": name, "test_clock": NOON} for name in ACCOUNTS]
    return commands


def telling_instants(account: Account) -> list[int]:
    """Instants around which this account's rules change: now, grants' ends, their grace, edges,
    and the lapses of open holds."""
    instants = [account.now, *account.edges]
    instants += [hold.expires_at for hold in account.reservations.values() if hold.is_open]
    for pool in account.pools.values():
        for grant in pool.grants.values():
            instants.append(grant.effective_at)
            if grant.expires_at is not None:
                instants += [grant.expires_at, grant.expires_at + HOUR]
    return instants


def instants_near(account: Account) -> st.SearchStrategy[int]:
    steps = st.sampled_from([0, 0, 0, -1, 1, SECOND, -SECOND, MINUTE, -MINUTE, HOUR, DAY])
    return st.builds(lambda at, step: at + step, st.sampled_from(telling_instants(account)), steps)


def event_times(account: Account) -> st.SearchStrategy[int | None]:
    """None, times that can be taken, and seldom one at the edge of the acceptance window or outside it."""
    now = account.now
    within = [at for at in telling_instants(account) if now - 35 * DAY < at <= now + 5 * MINUTE]
    taken = st.builds(
        lambda at, step: min(at + step, now + 5 * MINUTE),
        st.sampled_from(within),
        st.sampled_from([0, 0, -1, 1, -SECOND, -MINUTE, MINUTE]),
    )
    edges = st.sampled_from(
        [now + 5 * MINUTE, now + 5 * MINUTE + 1, now + HOUR, now - 35 * DAY - 1, now - 35 * DAY]
    )
    whole_minute = st.just(-(-(now - 35 * DAY) // MINUTE) * MINUTE)
    return mostly(st.one_of(st.none(), taken), st.one_of(edges, whole_minute))


def later_instants(account: Account) -> st.SearchStrategy[int]:
    """Where the clock may go next: nearly always onto, or one microsecond beside, a telling instant."""
    ahead = sorted({at for at in telling_instants(account) if at > account.now})
    near = st.sampled_from(ahead or [account.now + MINUTE]).flatmap(
        lambda at: st.sampled_from([at, at, at - 1, at + 1])
    )
    leap = st.sampled_from([0, 1, SECOND, HOUR, DAY, 31 * DAY]).map(lambda step: account.now + step)
    return mostly(near, leap, count=4).map(lambda to: max(to, account.now))


@st.composite
def events(draw: st.DrawFn, ledger: ReferenceLedger, serial: int) -> Event:
    """A fresh event, mostly one that could be taken."""
    name = draw(mostly(st.sampled_from(ACCOUNTS), st.just("nobody"), count=30))
    account = ledger.accounts.get(name, ledger.accounts["acme"])
    direct = draw(one_in(8))
    meter = mostly(
        st.sampled_from(["calls", "calls", "tokens", "seats", "bytes", "peak", "level", "users"]),
        st.sampled_from(["disk", "unheard-of"]),
        20,
    )
    subject = draw(st.sampled_from(CREDIT_TYPES) if direct else meter)
    return Event(
        event_id=f"event-{serial}",
        account=name,
        subject=subject,
        quantity=draw(quantities),
        time=draw(event_times(account)),
        dimensions=draw(users if subject == "users" else dimension_sets),
        direct=direct,
        force=draw(one_in(12)),
    )


@st.composite
def grant_inputs(draw: st.DrawFn, account: Account, grant_id: str) -> dict[str, Any]:
    """A grant's content; options are mostly absent, so that the later terms of the order decide."""
    sent: dict[str, Any] = {
        "grant_id": grant_id,
        "credit_type": draw(st.sampled_from(("credits", "credits", "credits", "usd"))),
        "amount": draw(amounts),
    }
    if draw(one_in(4)):
        sent["category"] = draw(st.sampled_from(["paid", "promotional"]))
    if draw(one_in(4)):
        sent["priority"] = draw(
            mostly(st.sampled_from([1, 2, 49, 50, 51, 100]), st.sampled_from([0, 101]), 20)
        )
    if draw(one_in(3)):
        sent["effective_at"] = draw(instants_near(account))
    if draw(one_in(3)):
        begins = sent.get("effective_at", account.now)
        lifetime = st.sampled_from([1, SECOND, MINUTE, HOUR, HOUR + 1, DAY, 31 * DAY])
        sent["expires_at"] = draw(
            mostly(lifetime.map(lambda us: begins + us), instants_near(account), count=5)
        )
    scope = draw(scopes)
    if scope is not None:
        sent["scope"] = scope
    if draw(one_in(8)):
        sent["pending"] = True
    return sent


@st.composite
def replacements(draw: st.DrawFn, account: Account, serial: int) -> dict[str, Any]:
    """A void-and-replace over known grants (seldom an unknown one), with formulas and numbers."""
    known = [g.grant_id for pool in account.pools.values() for g in pool.grants.values()]
    void = draw(st.lists(st.sampled_from(known or ["nothing"]), min_size=1, max_size=3, unique=True))
    create = []
    for offset in range(draw(st.integers(0, 2))):
        sent = draw(grant_inputs(account, f"grant-{serial}-{offset}"))
        if draw(st.booleans()):
            number = draw(st.sampled_from([0, 1, 50, 100, "1", I64_MAX]))
            fraction = draw(st.sampled_from(["0", "0.5", "0.25", "1", "0.333", "1.01", "-0.5"]))
            forms: list[dict[str, Any]] = [{"min": number}, {"minus": number}, {"fraction": fraction}]
            sent["amount"] = {"of": void[0], **draw(st.sampled_from(forms))}
        create.append(sent)
    return {"type": "void_and_replace", "account": account.account, "void": void, "create": create}


def policies(account: str) -> st.SearchStrategy[dict[str, Any]]:
    base: dict[str, Any] = {"type": "set_policy", "account": account}
    choices: list[dict[str, Any]] = [
        {"kind": "hard"},
        {"kind": "partial"},
        {"kind": "overdraft", "limit": 0},
        {"kind": "overdraft", "limit": 100},
        {"kind": "overdraft", "limit": 1_000},
        {"kind": "overdraft", "limit": "5000"},
        {"kind": "overdraft", "limit": "25.5"},
        {"kind": "overdraft", "limit": I64_MAX},
        {"kind": "overage", "price": "0.01"},
        {"kind": "overage", "price": "0.01", "cap": 150},
        {"kind": "overage", "price": "0.01", "cap": 0},
        {"kind": "overage", "price": "0.02", "since": NOON},
        {"kind": "overage", "price": "0.03", "cap": 150, "since": NOON + HOUR},
        {"kind": "overage", "price": "0.04", "cap": 150, "since": NOON + 31 * DAY},
    ]
    return st.builds(
        lambda kind, credit_type: {**base, **kind, "credit_type": credit_type},
        st.sampled_from(choices),
        st.sampled_from(("credits", "credits", "usd")),
    )

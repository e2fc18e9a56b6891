"""``drawdown.open`` and ``drawdown.connect`` answer alike: one suite, both forms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.client.recorder import RecorderOptions, UsageException
from drawdown.model import commands

NewAccount = Callable[..., str]


@pytest.mark.behaviour("S0-4", "S2-11", "S3-5")
def test_a_record_answers_what_is_left_and_the_next_read_agrees(
    database: Database, new_account: NewAccount
) -> None:
    """The answer's available is the balance read right after it."""
    account = new_account(database, "100")
    result = database.record(account, "tokens", quantity=1200)
    assert (result.status, result.charged, result.available) == ("OK", Decimal("0.003"), Decimal("99.997"))
    assert database.balance(account, "credits").available == Decimal("99.997")


@pytest.mark.behaviour("S0-20")
def test_the_charge_is_quantity_times_the_rate_of_its_dimensions(
    database: Database, new_account: NewAccount
) -> None:
    """A matching dimension selects its rate; undeclared keys never matter."""
    account = new_account(database, "100")
    large = database.record(account, "tokens", quantity=1200, dimensions={"model": "large", "region": "eu"})
    assert large.charged == Decimal("0.012")
    other = database.record(account, "tokens", quantity=1200, dimensions={"model": "tiny"})
    assert other.charged == Decimal("0.003")


def test_the_same_id_again_is_a_duplicate_and_other_content_a_conflict(
    database: Database, new_account: NewAccount
) -> None:
    """Nothing changes at a repeat, whatever it carries."""
    account = new_account(database, "10")
    assert database.record(account, "calls", event_id="once").status == "OK"
    assert database.record(account, "calls", event_id="once").status == "DUPLICATE"
    assert database.record(account, "calls", quantity=2, event_id="once").status == "CONFLICT"
    assert database.balance(account, "credits").available == 9


def test_a_direct_debit_burns_the_amount(database: Database, new_account: NewAccount) -> None:
    """A debit of a credit type needs no meter; its amount is exact to the scale."""
    account = new_account(database, "10")
    result = database.record(account, credit_type="credits", credits="0.000000001")
    assert (result.status, result.charged) == ("OK", Decimal("0.000000001"))
    with pytest.raises(drawdown.InvalidRequestError) as refused:
        database.record(account, credit_type="credits", credits="0.0000000001")
    assert refused.value.field == "credits"


def test_a_debit_of_an_unknown_credit_type_names_it(database: Database, new_account: NewAccount) -> None:
    """An amount has no meaning without its credit type's scale."""
    account = new_account(database)
    with pytest.raises(drawdown.NotFoundError) as missing:
        database.record(account, credit_type="stars", credits="1")
    assert (missing.value.reason, missing.value.field) == ("CREDIT_TYPE_UNKNOWN", "credit_type")


def test_amounts_have_the_scale_of_their_credit_type(database: Database, new_account: NewAccount) -> None:
    """A debit of a type with two decimals answers in it."""
    account = new_account(database)
    assert database.create_grant(account, "cents", amount="5.00", grant_id="coins")
    result = database.record(account, credit_type="cents", credits="1.25")
    assert (result.charged, result.available) == (Decimal("1.25"), Decimal("3.75"))


def test_amounts_have_the_scale_of_what_the_dimensions_select(
    database: Database, new_account: NewAccount
) -> None:
    """A meter without a default rate, priced per dimension in two credit types."""
    account = new_account(database, "1")
    assert database.create_grant(account, "cents", amount="5.00", grant_id="coins")
    small = database.record(account, "pages", dimensions={"size": "a4"})
    assert (small.charged, small.available) == (Decimal("0.000000001"), Decimal("0.999999999"))
    large = database.record(account, "pages", dimensions={"size": "a3"})
    assert (large.charged, large.available) == (Decimal("0.25"), Decimal("4.75"))
    assert database.check(account, "pages", dimensions={"size": "a4"}).available == Decimal("0.999999999")
    assert database.check(account, "pages", dimensions={"size": "a3"}).available == Decimal("4.75")
    assert database.record(account, "pages").status == "NOT_ENTITLED"


def test_refusals_by_rule_are_results(database: Database, new_account: NewAccount) -> None:
    """Too little credit, an unknown account and an unknown meter are statuses, and change nothing."""
    account = new_account(database, "3")
    short = database.record(account, "calls", quantity=5)
    assert not short
    assert (short.status, short.shortfall, short.available) == ("INSUFFICIENT", 2, 3)
    assert database.record("nobody", "calls").status == "ACCOUNT_UNKNOWN"
    assert database.record(account, "nothing").status == "METER_UNKNOWN"
    assert database.balance(account, "credits").available == 3


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"account": "x" * 129, "meter": "calls"}, "account"),
        ({"account": "a", "meter": "calls", "quantity": 1.5}, "quantity"),
        ({"account": "a", "meter": "calls", "quantity": -1}, "quantity"),
        ({"account": "a", "meter": "calls", "quantity": 1 << 63}, "quantity"),
        ({"account": 5, "meter": "calls"}, "account"),
        ({"account": "a", "meter": "calls", "dimensions": {"model": 5}}, "dimensions"),
        ({"account": "a", "meter": "calls", "event_id": "line\nbreak"}, "event_id"),
        ({"account": "a"}, "meter"),
        ({"account": "a", "meter": "calls", "credit_type": "credits", "credits": "1"}, "meter"),
        ({"account": "a", "credit_type": "credits"}, "credits"),
        ({"account": "a", "credit_type": "credits", "credits": 1.5}, "credits"),
        ({"account": "a", "meter": "calls", "time": datetime(2026, 1, 1)}, "time"),  # noqa: DTZ001
    ],
)
def test_input_that_cannot_be_taken_is_named(
    database: Database, fields: dict[str, object], field: str
) -> None:
    """Malformed input raises with the field's name at the front; nothing is applied."""
    with pytest.raises(drawdown.InvalidRequestError) as refused:
        database.record(**fields)  # type: ignore[arg-type]
    assert (refused.value.reason, refused.value.field) == ("INVALID", field)
    assert refused.value.message.startswith(f"{field}: ")


def test_invalid_commands_raise_with_reason_and_field(database: Database, new_account: NewAccount) -> None:
    """A typed call that cannot be understood raises; the field is named."""
    account = new_account(database)
    for priority in (0, 101):
        with pytest.raises(drawdown.InvalidRequestError) as refused:
            database.create_grant(account, "credits", amount="1", grant_id="g", priority=priority)
        assert (refused.value.reason, refused.value.field) == ("INVALID", "priority")
    assert database.grants(account) == []


@pytest.mark.behaviour("S1-15")
def test_a_grant_cannot_be_edited(database: Database, new_account: NewAccount) -> None:
    """The same id with other content is refused and changes nothing; with the same content it is a repeat."""
    account = new_account(database, "10")
    assert database.create_grant(account, "credits", amount="10", grant_id="first").status == "DUPLICATE"
    assert database.create_grant(account, "credits", amount="11", grant_id="first").status == "CONFLICT"
    assert [grant.amount for grant in database.grants(account)] == [10]


@pytest.mark.behaviour("S1-18", "S1-19", "S1-20")
def test_a_void_needs_confirmation_and_is_final(database: Database, new_account: NewAccount) -> None:
    """What is left is forfeited at once, what was burned stays, a second void changes nothing."""
    account = new_account(database, "10")
    database.record(account, "calls", quantity=4)
    with pytest.raises(drawdown.InvalidRequestError) as refused:
        database.void_grant(account, "first")
    assert refused.value.field == "confirm"
    voided = database.void_grant(account, "first", confirm=True)
    assert (voided.status, voided.facts["forfeited"]) == ("OK", 6)
    assert database.void_grant(account, "first", confirm=True).applied
    (grant,) = database.grants(account)
    assert (grant.state, grant.burned, grant.voided, grant.remaining) == ("voided", 4, 6, 0)
    assert database.record(account, "calls").status == "INSUFFICIENT"


def test_void_and_replace_is_one_step(database: Database, new_account: NewAccount) -> None:
    """Old out and new in together, the new amount a formula over what the old had free."""
    account = new_account(database, "10")
    database.record(account, "calls", quantity=4)
    replaced = database.void_and_replace(
        account,
        void=["first"],
        create=[commands.grant_input("second", "credits", commands.formula("first", fraction="0.5"))],
    )
    assert replaced.status == "OK"
    assert {grant.grant_id: grant.state for grant in database.grants(account)} == {
        "first": "voided",
        "second": "active",
    }
    assert database.balance(account, "credits").available == 3


def test_a_group_is_all_or_nothing(database: Database, new_account: NewAccount) -> None:
    """One refused command refuses its group; the others say so."""
    account = new_account(database)
    grant = commands.grant_input("g", "credits", "5")
    results = database.execute(
        [
            commands.CreateGrant(account=account, grant=grant),
            commands.CreateGrant(account="nobody", grant=grant),
        ]
    )
    assert [result.status for result in results] == ["NOT_APPLIED", "ACCOUNT_UNKNOWN"]
    assert database.grants(account) == []


@pytest.mark.behaviour("S3-27")
def test_a_check_says_what_a_record_would(database: Database, new_account: NewAccount) -> None:
    """Allowed exactly as far as the credits reach, and nothing changes by asking."""
    account = new_account(database, "3")
    allowed = database.check(account, "calls", quantity=3)
    assert allowed
    assert (allowed.reason, allowed.available, allowed.units) == ("OK", 3, 3)
    refused = database.check(account, "calls", quantity=4)
    assert not refused
    assert refused.reason == "INSUFFICIENT"
    assert [bool(each) for each in database.check_batch([(account, "calls"), (account, "calls", 4)])] == [
        True,
        False,
    ]
    assert database.balance(account, "credits").available == 3


def test_reads_of_what_is_not_there_raise(database: Database) -> None:
    """An unknown account is an error of reads, with its reason."""
    for read in (
        lambda: database.account("nobody"),
        lambda: database.balances("nobody"),
        lambda: database.grants("nobody"),
        lambda: database.balance("nobody", "credits"),
    ):
        with pytest.raises(drawdown.AccountNotFoundError) as missing:
            read()
        assert missing.value.reason == "ACCOUNT_UNKNOWN"


def test_grants_carry_what_was_given(database: Database, new_account: NewAccount) -> None:
    """Every field of a grant is read back as it was sent, instants and amounts exact."""
    account = new_account(database)
    expires = datetime(2031, 3, 1, 12, 30, 0, 123456, tzinfo=UTC)
    database.create_grant(
        account,
        "credits",
        amount=Decimal("12.345678901"),
        grant_id="full",
        name="Full",
        category="promotional",
        priority=7,
        effective_at=expires - timedelta(days=3650),
        expires_at=expires,
        scope=["calls", "tokens"],
        source="signup",
        source_reference="form-1",
        cost_minor=1999,
        cost_currency="EUR",
        reason="thanks",
        metadata={"team": "a"},
    )
    (grant,) = database.grants(account)
    assert (grant.amount, grant.remaining, grant.state) == (Decimal("12.345678901"),) * 2 + ("active",)
    assert (grant.name, grant.category, grant.priority) == ("Full", "promotional", 7)
    assert (grant.expires_at, grant.effective_at) == (expires, expires - timedelta(days=3650))
    assert set(grant.scope or ()) == {"calls", "tokens"}
    assert (grant.source, grant.source_reference, grant.reason) == ("signup", "form-1", "thanks")
    assert (grant.cost_minor, grant.cost_currency, grant.metadata) == (1999, "EUR", {"team": "a"})


def test_a_test_clock_moves_only_by_advance(database: Database, new_account: NewAccount) -> None:
    """Expiry on a test clock happens when it is advanced, and touches no other account."""
    start = datetime(2030, 1, 1, tzinfo=UTC)
    account = new_account(database, test_clock=start)
    other = new_account(database, "5")
    database.create_grant(
        account, "credits", amount="5", grant_id="month", expires_at=start + timedelta(days=31)
    )
    database.advance_clock(account, start + timedelta(days=31) - timedelta(microseconds=1))
    assert database.balance(account, "credits").available == 5
    database.advance_clock(account, start + timedelta(days=31))
    assert database.balance(account, "credits").available == 0
    assert database.account(account).test_clock == start + timedelta(days=31)
    assert database.balance(other, "credits").available == 5


def test_a_suspended_account_is_refused_until_resumed(database: Database, new_account: NewAccount) -> None:
    """Suspension stops usage and checks, not grants."""
    account = new_account(database, "5")
    database.suspend_account(account)
    assert database.account(account).suspended
    assert database.record(account, "calls", event_id="e").status == "ACCOUNT_SUSPENDED"
    assert database.check(account, "calls").reason == "ACCOUNT_SUSPENDED"
    assert database.create_grant(account, "credits", amount="1", grant_id="more")
    database.resume_account(account)
    assert database.record(account, "calls", event_id="e").status == "OK"


def test_accounts_are_listed_in_pages(database: Database) -> None:
    """By id, after the one named, at most as many as asked for."""
    for number in range(5):
        database.create_account(f"listed-{number}")
    first = database.accounts("listed-", limit=3)
    assert [each.account for each in first] == ["listed-0", "listed-1", "listed-2"]
    rest = database.accounts("listed-", after=first[-1].account)
    assert [each.account for each in rest] == ["listed-3", "listed-4"]


def test_the_catalog_reads_back(database: Database) -> None:
    """Credit types, meters and rates as they were made."""
    catalog = database.catalog()
    assert {each.name: each.scale for each in catalog.credit_types} == {"credits": 9, "cents": 2}
    assert {each.key for each in catalog.meters} >= {"tokens", "calls"}
    (table,) = [each for each in catalog.rate_tables if each.name == "default"]
    assert {(rate.meter, tuple(rate.match.items())) for rate in table.rates} >= {
        ("tokens", ()),
        ("tokens", (("model", "large"),)),
        ("calls", ()),
    }


def test_a_recorder_counts_and_reports_exceptions(database: Database, new_account: NewAccount) -> None:
    """Every event is durable after the flush; what was refused is named with its id."""
    account = new_account(database, "1000")
    seen: list[UsageException] = []
    options = RecorderOptions(on_exception=seen.append)
    with database.recorder(batch=100, options=options) as recorder:
        for number in range(1005):
            recorder.record(account, "calls", event_id=f"r-{number}")
        recorder.record(account, "calls", event_id="r-0")
        recorder.flush(timeout_s=30)
        totals = recorder.totals
        assert (totals.recorded, totals.applied, totals.duplicates, totals.refused) == (1006, 1000, 1, 5)
    assert sorted(each.event_id for each in seen if each.status == "INSUFFICIENT") == [
        f"r-{number}" for number in range(1000, 1005)
    ]
    assert [each.event_id for each in seen if each.status == "DUPLICATE"] == ["r-0"]
    assert database.balance(account, "credits").available == 0


def test_a_recorder_sends_a_batch_that_has_lingered(database: Database, new_account: NewAccount) -> None:
    """A batch that never fills leaves by itself."""
    account = new_account(database, "10")
    with database.recorder(batch=1000, linger_ms=1) as recorder:
        recorder.record(account, "calls")
        deadline = datetime.now(UTC) + timedelta(seconds=20)
        while not recorder.totals.applied and datetime.now(UTC) < deadline:
            database.balance(account, "credits")
        assert recorder.totals.applied == 1


def test_a_recorder_refuses_bad_events_and_use_after_close(
    database: Database, new_account: NewAccount
) -> None:
    """A bad event is named and not taken; its neighbours are."""
    account = new_account(database, "10")
    recorder = database.recorder(batch=10)
    recorder.record(account, "calls")
    with pytest.raises(drawdown.InvalidRequestError):
        recorder.record(account, "calls", event_id="x" * 129)
    recorder.close()
    recorder.close()
    with pytest.raises(drawdown.PreconditionError):
        recorder.record(account, "calls")
    assert database.balance(account, "credits").available == 9


def test_columns_and_rows_carry_the_same_facts(database: Database, new_account: NewAccount) -> None:
    """The same events in either encoding charge the same, dimensions and direct debits among them."""
    charged = {}
    for encoding in ("rows", "columns"):
        account = new_account(database, "10")
        with database.recorder(batch=7, options=RecorderOptions(encoding=encoding)) as recorder:
            for number in range(20):
                recorder.record(account, "tokens", quantity=number * 1000, dimensions={"model": "large"})
                recorder.record(account, "tokens", quantity=number * 1000)
                recorder.record(account, credit_type="credits", credits="0.01")
        charged[encoding] = 10 - database.balance(account, "credits").available
    assert charged["rows"] == charged["columns"] == Decimal("2.575")


@pytest.mark.behaviour("S1-8")
def test_everything_is_accounted_for(database: Database, new_account: NewAccount) -> None:
    """Conservation holds over all that the other tests did, and for one account alone."""
    account = new_account(database, "10")
    database.record(account, "calls")
    assert database.verify()
    one = database.verify(account)
    assert one.accounts == 1
    assert one.totals["credits"]["granted"] == 10
    assert one.totals["credits"]["burned"] == one.totals["credits"]["charged"] == 1
    assert len(database.digest()) == 32
    assert database.stats()


def test_replacing_grants_takes_what_creating_one_takes(database: Database, new_account: NewAccount) -> None:
    """A mapping is what people write; a name that no grant has is said, not dropped."""
    account = new_account(database, "10")
    made = database.void_and_replace(
        account,
        void=["first"],
        create=[
            {"grant_id": "rest", "credit_type": "credits", "amount": commands.Formula(of="first", min="4")},
            {"grant_id": "more", "credit_type": "credits", "amount": Decimal("1.5"), "priority": 3},
        ],
    )
    assert made.status == "OK"
    assert database.balance(account, "credits").available == Decimal("5.5")
    for wrong, what in (
        ({"grant_id": "a", "credit_type": "credits", "amount": "1", "colour": "red"}, "colour"),
        ({"grant_id": "a", "credit_type": "credits"}, "amount"),
    ):
        with pytest.raises(drawdown.InvalidRequestError, match=what) as raised:
            database.void_and_replace(account, void=[], create=[wrong])
        assert raised.value.field == "create"


@pytest.mark.parametrize(
    ("meter", "quantity", "dimensions"),
    [
        ("", 1, None),
        ("line\nbreak", 1, None),
        ("m" * 129, 1, None),
        ("calls", -1, None),
        ("calls", 1, {f"k{number}": "v" for number in range(17)}),
        ("calls", 1, {"k": "v" * 129}),
        ("calls", 1, {"k\t": "v"}),
    ],
)
def test_a_check_says_invalid_to_what_no_record_takes(
    database: Database, new_account: NewAccount, meter: str, quantity: int, dimensions: dict[str, str] | None
) -> None:
    account = new_account(database, "100")
    answer = database.check(account, meter, quantity=quantity, dimensions=dimensions)
    assert (answer.allowed, answer.reason) == (False, "INVALID")
    with pytest.raises(drawdown.InvalidRequestError):
        database.record(account, meter, quantity=quantity, dimensions=dimensions)
    assert database.check(account, "calls").allowed


def test_numbers_and_texts_that_no_message_holds_are_refused_as_requests(
    database: Database, new_account: NewAccount
) -> None:
    account = new_account(database, "100")
    for quantity in (2**63, -(2**63) - 1, 1.5, "1"):
        with pytest.raises(drawdown.InvalidRequestError, match="quantity"):
            database.check(account, "calls", quantity=quantity)  # type: ignore[arg-type]
    for half in ("\ud800", "a\udcff"):
        with pytest.raises(drawdown.InvalidRequestError, match="surrogate"):
            database.check(half, "calls")
        with pytest.raises(drawdown.InvalidRequestError) as refused:
            database.record(half, "calls")
        assert refused.value.field == "account"
        with pytest.raises(drawdown.InvalidRequestError) as refused:
            database.record(account, "calls", dimensions={"model": half})
        assert refused.value.field == "dimensions"

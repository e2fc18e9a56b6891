//! What may happen in a story, and how likely. Everything is relative to the moment it happens at.

use crate::account_story::{AccountOp, account_op};
use crate::ledger::WINDOW;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

#[derive(Clone, Debug)]
pub struct GrantOp {
    pub account: usize,
    pub amount: i64,
    pub in_usd: bool,
    pub promotional: bool,
    pub priority: i64,
    pub effective_in: Option<i64>,
    pub expires_in: Option<i64>,
    pub scope: usize,
    pub pending: bool,
}

#[derive(Clone, Debug)]
pub enum FormulaOp {
    Units(i64),
    Min(i64),
    Fraction(i64),
    Minus(i64),
}

#[derive(Clone, Debug)]
pub struct UseOp {
    pub account: usize,
    pub subject: usize,
    pub quantity: i64,
    /// Absent: not sent.
    pub time_in: Option<i64>,
    pub model: &'static str,
    pub has_stray_dimension: bool,
    pub force: bool,
}

/// Which applied event is corrected, to what, and whether with an id of its own.
#[derive(Clone, Debug)]
pub struct CorrectOp {
    pub event: usize,
    pub how: usize,
    pub has_id: bool,
}

/// How an earlier event comes again.
#[derive(Clone, Copy, Debug)]
pub enum Again {
    Same,
    Forced,
    OtherQuantity,
    OtherTime,
}

#[derive(Clone, Debug)]
pub struct ReserveOp {
    pub account: usize,
    pub subject: usize,
    /// Credits of a meter instead of a quantity.
    pub in_credits: bool,
    pub amount: i64,
    pub model: &'static str,
    pub ttl: i64,
}

/// How much of what was asked for is used in the end.
#[derive(Clone, Copy, Debug)]
pub enum Actual {
    Nothing,
    /// Hundredths.
    Part(i64),
    Exactly(i64),
}

#[derive(Clone, Debug)]
pub struct SettleOp {
    /// Counted back from the newest; now and then one nobody made.
    pub which: usize,
    pub actual: Actual,
    pub other_form: bool,
    pub refuse_extra: bool,
}

/// What happens between a reserve and its end.
#[derive(Clone, Copy, Debug)]
pub enum Meanwhile {
    Nothing,
    /// The newest grant of the account, which the reservation most likely holds.
    Void,
    /// Forced use of so many credits, which opens debt.
    Owe(i64),
    Policy {
        kind: usize,
        limit: i64,
    },
    Grant(i64),
    Suspend,
    Another,
    /// So many microseconds from the next instant that brings something.
    ToEdge(i64),
}

#[derive(Clone, Copy, Debug)]
pub enum End {
    Settle(Actual, bool),
    Release,
    /// Left alone until so many microseconds from its lapse.
    Lapse(i64),
    StaysOpen,
}

/// A piece of work from grant and reserve to its end.
#[derive(Clone, Debug)]
pub struct WorkOp {
    pub grant: GrantOp,
    pub subject: usize,
    pub in_credits: bool,
    /// Of what is available, in hundredths; of a meter by quantity: so many units.
    pub hundredths: i64,
    pub ttl: i64,
    pub meanwhile: Vec<Meanwhile>,
    pub end: End,
}

#[derive(Clone, Copy, Debug)]
pub enum Step {
    By(i64),
    /// So many microseconds from the next instant at which a grant begins or ends.
    ToEdge(i64),
}

#[derive(Clone, Debug)]
pub enum Op {
    Account(AccountOp),
    Grant(GrantOp),
    GrantAgain(usize, bool),
    Void(usize, usize),
    /// With dates of its own, so far from the present.
    Release(usize, usize, (Option<i64>, Option<i64>)),
    Replace(usize, Vec<usize>, Vec<(FormulaOp, GrantOp)>),
    /// A group whose second command is refused: nothing of it may stand.
    RefusedGroup(usize, usize),
    Policy {
        account: usize,
        in_usd: bool,
        kind: usize,
        limit: i64,
        /// Overage is counted apart since an instant so far from the present.
        since_in: Option<i64>,
    },
    Suspend(usize, bool),
    /// Units, or the text of a percentage.
    Thresholds(usize, Vec<Value>),
    Use(UseOp),
    UseAgain(usize, Again),
    Correct(CorrectOp),
    CorrectAgain(usize, bool),
    Reserve(ReserveOp),
    ReserveAgain(usize, bool),
    Settle(SettleOp),
    /// A second settle of one that was settled before.
    SettleAgain(usize, bool),
    ReleaseHold(usize),
    Work(WorkOp),
    /// A group that reserves and is then refused: nothing of it may stand.
    RefusedReserve(ReserveOp),
    Pass(Step),
    Sweep,
    Check {
        account: usize,
        meter: usize,
        quantity: i64,
        model: &'static str,
    },
}

/// Credits: mostly a few, at times the edges.
fn credits() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => 1..30_000i64,
        3 => Just(1),
        2 => select(vec![2_000, 10_000]),
        1 => select(vec![i64::MAX, i64::MAX - 1, i64::MAX / 2, i64::MAX / 2 + 1]),
    ]
}

fn quantity() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => 0..12i64,
        3 => 90..170i64,
        1 => select(vec![-1, 0, 1, i64::MAX, i64::MAX / 2, i64::MAX / 1_000, 1 << 40]),
    ]
}

fn from_now() -> impl Strategy<Value = i64> {
    let span = prop_oneof![
        4 => (-5..=5i64).prop_map(|n| n * 10 * MINUTE),
        2 => (-30..=30i64).prop_map(|n| n * SECOND),
        1 => (-40..=40i64).prop_map(|n| n * DAY),
        1 => -5..=5i64,
    ];
    span.boxed()
}

fn grant() -> impl Strategy<Value = GrantOp> {
    let dates = (prop::option::weighted(0.4, from_now()), prop::option::weighted(0.6, from_now()));
    let priority = prop_oneof![6 => Just(50), 3 => 49..=51i64, 1 => select(vec![1, 100, 0, 101])];
    let flags = (prop::bool::weighted(0.1), any::<bool>(), prop::bool::weighted(0.15));
    (0..3usize, credits(), flags, priority, dates, 0..8usize).prop_map(
        |(account, amount, (in_usd, promotional, pending), priority, (effective_in, expires_in), scope)| GrantOp {
            account,
            amount,
            in_usd,
            promotional,
            priority,
            effective_in,
            expires_in,
            scope,
            pending,
        },
    )
}

fn formula() -> impl Strategy<Value = FormulaOp> {
    prop_oneof![
        1 => credits().prop_map(FormulaOp::Units),
        1 => credits().prop_map(FormulaOp::Min),
        2 => (0..=100i64).prop_map(FormulaOp::Fraction),
        1 => (0..20_000i64).prop_map(FormulaOp::Minus),
    ]
}

fn usage() -> impl Strategy<Value = UseOp> {
    let time = prop_oneof![
        4 => Just(None),
        4 => (-90..=4i64).prop_map(|n| Some(n * MINUTE)),
        2 => from_now().prop_map(Some),
        1 => select(vec![5 * MINUTE, 5 * MINUTE + 1, -WINDOW, -WINDOW - MINUTE]).prop_map(Some),
    ];
    let model = select(vec!["", "", "large", "small"]);
    (0..30usize, 0..19usize, quantity(), time, model, (prop::bool::weighted(0.1), prop::bool::weighted(0.12))).prop_map(
        |(account, subject, quantity, time_in, model, (has_stray_dimension, force))| UseOp {
            account: if account == 29 { 3 } else { account % 3 },
            subject,
            quantity,
            time_in,
            model,
            has_stray_dimension,
            force,
        },
    )
}

fn reserve() -> impl Strategy<Value = ReserveOp> {
    let ttl = prop_oneof![
        6 => (1..=30i64).prop_map(|n| n * 10 * MINUTE),
        2 => (1..=60i64).prop_map(|n| n * SECOND),
        1 => select(vec![1, DAY, DAY + 1, 0]),
    ];
    let model = select(vec!["", "", "large", "small"]);
    let subject = (0..30usize, 0..16usize, prop::bool::weighted(0.3));
    (subject, quantity(), model, ttl).prop_map(|((account, subject, in_credits), amount, model, ttl)| ReserveOp {
        account: if account == 29 { 3 } else { account % 3 },
        subject,
        in_credits,
        amount,
        model,
        ttl,
    })
}

fn settle() -> impl Strategy<Value = SettleOp> {
    let actual = prop_oneof![
        1 => Just(Actual::Nothing),
        4 => (0..100i64).prop_map(Actual::Part),
        2 => Just(Actual::Part(100)),
        3 => (101..300i64).prop_map(Actual::Part),
        1 => quantity().prop_map(Actual::Exactly),
    ];
    (0..8usize, actual, prop::bool::weighted(0.1), prop::bool::weighted(0.2))
        .prop_map(|(which, actual, other_form, refuse_extra)| SettleOp { which, actual, other_form, refuse_extra })
}

fn work() -> impl Strategy<Value = WorkOp> {
    let meanwhile = prop_oneof![
        2 => Just(Meanwhile::Nothing),
        2 => Just(Meanwhile::Void),
        3 => (1..9_000i64).prop_map(Meanwhile::Owe),
        2 => (0..5usize, 0..20_000i64).prop_map(|(kind, limit)| Meanwhile::Policy { kind, limit }),
        2 => (1..9_000i64).prop_map(Meanwhile::Grant),
        1 => Just(Meanwhile::Suspend),
        1 => Just(Meanwhile::Another),
        3 => (-1..=1i64).prop_map(Meanwhile::ToEdge),
    ];
    let actual = prop_oneof![1 => Just(Actual::Nothing), 5 => (1..250i64).prop_map(Actual::Part)];
    let end = prop_oneof![
        6 => (actual, prop::bool::weighted(0.2)).prop_map(|(actual, refuse)| End::Settle(actual, refuse)),
        2 => Just(End::Release),
        2 => (-1..=1i64).prop_map(End::Lapse),
        1 => Just(End::StaysOpen),
    ];
    let ttl = prop_oneof![3 => (1..=30i64).prop_map(|n| n * 10 * MINUTE), 1 => Just(DAY), 1 => Just(10 * MINUTE)];
    let subject = (select(vec![0, 0, 1, 2, 12, 12, 14]), prop::bool::weighted(0.3), 1..110i64);
    (grant(), 1..30_000i64, subject, ttl, prop::collection::vec(meanwhile, 0..3), end).prop_map(
        |(grant, amount, (subject, in_credits, hundredths), ttl, meanwhile, end)| WorkOp {
            grant: GrantOp {
                account: grant.account % 2,
                amount,
                in_usd: false,
                priority: 50,
                effective_in: None,
                expires_in: grant.expires_in.map(|span| span.abs() + 1),
                scope: if grant.promotional { grant.scope } else { 0 },
                pending: false,
                ..grant
            },
            subject,
            in_credits,
            hundredths,
            ttl,
            meanwhile,
            end,
        },
    )
}

/// A date that is given now and then, so far from the present.
fn dates() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![3 => Just(None), 1 => (-300..3_000i64).prop_map(|n| Some(n * MINUTE))]
}

fn threshold() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..20_000i64).prop_map(|units| json!(units)),
        (1..=10_000u32).prop_map(|part| json!(format!("{}.{:02}%", part / 100, part % 100))),
    ]
}

pub fn op() -> impl Strategy<Value = Op> {
    let again = select(vec![Again::Same, Again::Same, Again::Forced, Again::OtherQuantity, Again::OtherTime]);
    let step = prop_oneof![
        3 => (1..7_200i64).prop_map(|n| Step::By(n * SECOND)),
        1 => (0..20 * DAY).prop_map(Step::By),
        4 => (-1..=1i64).prop_map(Step::ToEdge),
        2 => (-1..=1i64).prop_map(|n| Step::ToEdge(HOUR + n)),
    ];
    let replace =
        (0..3usize, prop::collection::vec(0..12usize, 0..3), prop::collection::vec((formula(), grant()), 0..3));
    let limit = prop_oneof![4 => 0..20_000i64, 1 => Just(i64::MAX)];
    let policy = (0..3usize, prop::bool::weighted(0.2), 0..5usize, limit, dates())
        .prop_map(|(account, in_usd, kind, limit, since_in)| Op::Policy { account, in_usd, kind, limit, since_in });
    prop_oneof![
        8 => account_op().prop_map(Op::Account),
        8 => grant().prop_map(Op::Grant),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(n, other)| Op::GrantAgain(n, other)),
        2 => (0..4usize, 0..12usize).prop_map(|(a, g)| Op::Void(a, g)),
        2 => (0..3usize, 0..12usize, (dates(), dates())).prop_map(|(a, g, dates)| Op::Release(a, g, dates)),
        3 => replace.prop_map(|(a, void, create)| Op::Replace(a, void, create)),
        1 => (0..3usize, 0..12usize).prop_map(|(a, g)| Op::RefusedGroup(a, g)),
        3 => policy,
        1 => (0..3usize, prop::bool::weighted(0.3)).prop_map(|(a, on)| Op::Suspend(a, on)),
        1 => (0..3usize, prop::collection::vec(threshold(), 0..5)).prop_map(|(a, list)| Op::Thresholds(a, list)),
        18 => usage().prop_map(Op::Use),
        3 => (any::<usize>(), again).prop_map(|(n, again)| Op::UseAgain(n, again)),
        6 => (any::<usize>(), 0..20usize, any::<bool>())
            .prop_map(|(event, how, has_id)| Op::Correct(CorrectOp { event, how, has_id })),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(n, other)| Op::CorrectAgain(n, other)),
        4 => reserve().prop_map(Op::Reserve),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(n, other)| Op::ReserveAgain(n, other)),
        4 => settle().prop_map(Op::Settle),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(n, other)| Op::SettleAgain(n, other)),
        2 => (0..8usize).prop_map(Op::ReleaseHold),
        7 => work().prop_map(Op::Work),
        1 => reserve().prop_map(Op::RefusedReserve),
        8 => step.prop_map(Op::Pass),
        2 => Just(Op::Sweep),
        3 => (0..4usize, 0..13usize, quantity(), select(vec!["", "large"]))
            .prop_map(|(account, meter, quantity, model)| Op::Check { account, meter, quantity, model }),
    ]
}

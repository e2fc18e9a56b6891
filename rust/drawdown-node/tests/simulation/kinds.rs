//! Every kind of record, command and answer that there is, by name. One that is new does not compile until it is
//! named here, and a run in which one of them was not met fails.

use crate::seen::Seen;
use drawdown_core::entry::Control;
use drawdown_core::{Command, CommandOutcome, Fact, Records, Status};
use drawdown_node::simulation::SimulatedDisk;

const BLOCK_BYTES: usize = 4096;

/// The names of a closed list, and which of them a value has.
macro_rules! kinds {
    ($names:ident, $name_of:ident, $of:ident, $what:literal, $($kind:ident)+) => {
        pub const $names: &[&str] = &[$(concat!($what, ": ", stringify!($kind))),+];

        pub fn $name_of(value: &$of) -> &'static str {
            match value {
                $($of::$kind { .. } => concat!($what, ": ", stringify!($kind)),)+
            }
        }
    };
}

kinds!(RECORDS, record_name, Control, "record",
    CreditTypeCreated MeterCreated RateSet AccountCreated RateTableAssigned PeriodEdgeSet ClockAdvanced
    SuspensionSet PolicySet ThresholdsSet GrantCreated GrantReleased GrantVoided GrantIdUsed GrantExpired
    OverdraftSettled Crossed FloorRaised Reserved ReservationSettled ReservationReleased UsageCorrected
    GrantExhausted GrantsLeft InstantsLived);

kinds!(COMMANDS, command_name, Command, "command",
    CreateCreditType CreateMeter SetRate CreateAccount AssignRateTable SetPeriodEdge AdvanceClock SuspendAccount
    ResumeAccount SetPolicy SetThresholds CreateGrant ReleaseGrant VoidGrant VoidAndReplace Reserve Settle Release
    Correct);

kinds!(ANSWERS, answer_name, Status, "answer",
    Ok Invalid TooEarly TooLate AccountUnknown Duplicate Conflict AccountSuspended MeterUnknown NotEntitled Overflow
    LimitReached Insufficient GrantUnknown EventUnknown ReservationUnknown);

kinds!(FACTS, fact_name, Fact, "record", Usage Control);

/// Names of what a group did and was answered.
pub fn of_group(group: &[Command], outcomes: &[CommandOutcome]) -> Vec<&'static str> {
    let done = group.iter().zip(outcomes).filter(|(_, outcome)| outcome.status == Some(Status::Ok));
    let answers = outcomes.iter().filter_map(|outcome| outcome.status.as_ref()).map(answer_name);
    done.map(|(command, _)| command_name(command)).chain(answers).collect()
}

/// Note the records behind `after_seq` that the journal on this disk has; the last seq there is.
pub fn note_records(disk: &SimulatedDisk, after_seq: u64, seen: &mut Seen) -> u64 {
    let mut last_seq = after_seq;
    for name in disk.names().iter().filter(|name| name.starts_with("seg-")) {
        let bytes = disk.bytes_of(name).expect("it was listed");
        let mut at = BLOCK_BYTES;
        while let Some(frame) = Frame::at(&bytes, at) {
            at += frame.block_bytes;
            if frame.last_seq > after_seq {
                note_frame(&frame, after_seq, seen);
                last_seq = last_seq.max(frame.last_seq);
            }
        }
    }
    last_seq
}

/// A frame as `frame.rs` draws it, of which seals and digests have no records.
struct Frame<'a> {
    body: &'a [u8],
    first_seq: u64,
    last_seq: u64,
    block_bytes: usize,
}

impl Frame<'_> {
    fn at(bytes: &[u8], at: usize) -> Option<Frame<'_>> {
        const HEADER_BYTES: usize = 64;
        const TRAILER_BYTES: usize = 4;
        let header = bytes.get(at..at + HEADER_BYTES).filter(|header| header.starts_with(b"DJF1"))?;
        let number = |from: usize| u64::from_le_bytes(header[from..from + 8].try_into().expect("eight bytes"));
        let body_bytes = (number(8) & u64::from(u32::MAX)) as usize;
        let body = at + HEADER_BYTES..at + HEADER_BYTES + body_bytes;
        let block_bytes = (HEADER_BYTES + body_bytes + TRAILER_BYTES).next_multiple_of(BLOCK_BYTES);
        let is_records = header[4] == 1;
        let last_seq = if is_records { number(32) } else { 0 };
        Some(Frame { body: bytes.get(body)?, first_seq: number(24), last_seq, block_bytes })
    }
}

fn note_frame(frame: &Frame<'_>, after_seq: u64, seen: &mut Seen) {
    let mut records = Records::of(frame.body, frame.first_seq);
    while let Some(record) = records.next().expect("whole records") {
        if record.seq > after_seq {
            let fact = record.decode().expect("a known record").what;
            seen.note(fact_name(&fact));
            if let Fact::Control(control) = &fact {
                seen.note(record_name(control));
            }
        }
    }
}

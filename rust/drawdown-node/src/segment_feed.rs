//! Segments read ahead: while one is worked on, the next is read and its frames are checked on
//! another thread.

use crate::aligned::AlignedBuffer;
use crate::disk::Disk;
use crate::error::NodeError;
use crate::frame::FrameHeader;
use crate::meta::StoreId;
use crate::scan::{Cursor, Step, load_segment, segment_header};
use crate::segment::SegmentName;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

/// Why the frames of a segment end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Only zeros follow.
    End,
    /// The next segment begins with another seq than the one expected here.
    Gap,
    Broken(&'static str),
}

/// A whole segment in memory. Every frame listed is valid and continues the one before it.
pub(crate) struct WalkedSegment {
    pub(crate) name: SegmentName,
    pub(crate) bytes: AlignedBuffer,
    /// The chain value in front of the first frame.
    pub(crate) chain: u32,
    /// Each with the place of its body.
    pub(crate) frames: Vec<(FrameHeader, Range<usize>)>,
    pub(crate) stop: Stop,
    /// Behind the last frame.
    pub(crate) cursor: Cursor,
}

/// Give `work` these segments in order, up to the first that does not end in an `End`; it returns the
/// segment for the next one to be read into, or `None` to end early.
///
/// # Errors
/// Of `work`; `Io`; `Corrupt` for a segment that is none or does not continue the one before it.
pub(crate) fn feed_segments(
    disk: &dyn Disk,
    store: StoreId,
    names: &[SegmentName],
    mut work: impl FnMut(WalkedSegment) -> Result<Option<WalkedSegment>, NodeError>,
) -> Result<(), NodeError> {
    thread::scope(|scope| {
        // Without room in it: one segment is worked on, one is read, no third takes memory.
        let (ready, walked) = sync_channel(0);
        let (give_back, spare) = channel();
        scope.spawn(move || read_ahead(disk, store, names, &ready, &spare));
        for walked in walked {
            match work(walked?)? {
                // The reader may have ended with the last segment.
                Some(done) => drop(give_back.send(done.bytes)),
                None => return Ok(()),
            }
        }
        Ok(())
    })
}

fn read_ahead(
    disk: &dyn Disk,
    store: StoreId,
    names: &[SegmentName],
    ready: &SyncSender<Result<WalkedSegment, NodeError>>,
    spare: &Receiver<AlignedBuffer>,
) {
    let mut before = None;
    for (index, name) in names.iter().enumerate() {
        let buffer = spare.try_recv().unwrap_or_else(|_| AlignedBuffer::with_capacity(0));
        let walked = walk(disk, store, name, names.get(index + 1), before.as_ref(), buffer);
        before = walked.as_ref().ok().filter(|walked| walked.stop == Stop::End).map(|walked| walked.cursor.clone());
        if ready.send(walked).is_err() || before.is_none() {
            return;
        }
    }
}

fn walk(
    disk: &dyn Disk,
    store: StoreId,
    name: &SegmentName,
    next: Option<&SegmentName>,
    before: Option<&Cursor>,
    mut bytes: AlignedBuffer,
) -> Result<WalkedSegment, NodeError> {
    load_segment(disk, name, &mut bytes)?;
    let header = segment_header(bytes.content(), name, store)?;
    let mut cursor = Cursor::at_segment(&header);
    if let Some(before) = before {
        if cursor.chain != before.chain {
            return Err(NodeError::corrupt(&name.path(), 56, "does not continue the segment before it"));
        }
        cursor.epoch = before.epoch;
    }
    let mut frames = Vec::new();
    let stop = loop {
        match cursor.step(bytes.content()) {
            Step::Frame(frame, body) => {
                let from = body.as_ptr() as usize - bytes.content().as_ptr() as usize;
                frames.push((frame, from..from + body.len()));
            }
            Step::Broken(what) => break Stop::Broken(what),
            Step::End if next.is_some_and(|next| next.first_seq != cursor.next_seq) => break Stop::Gap,
            Step::End => break Stop::End,
        }
    };
    Ok(WalkedSegment { name: name.clone(), bytes, chain: header.chain, frames, stop, cursor })
}

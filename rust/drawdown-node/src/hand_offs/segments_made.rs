//! Segments made ahead by the helper and taken by the journal, also while there is no room.

use super::{choose, explore, joined, spawn};
use crate::simulation::SimulatedDisk;
use crate::supply::SegmentSupply;
use crate::sync::thread;
use std::collections::BTreeSet;
use std::sync::Arc;

const SEGMENT_BYTES: u64 = 16 << 10;

fn supply(ahead: u32) -> (SimulatedDisk, Arc<SegmentSupply>) {
    let disk = SimulatedDisk::new(3);
    (disk.clone(), Arc::new(SegmentSupply::new(Arc::new(disk), SEGMENT_BYTES, ahead, 0)))
}

#[test]
fn each_segment_is_handed_out_once() {
    explore(0, || {
        let (disk, supply) = supply(2);
        let helper = {
            let supply = Arc::clone(&supply);
            spawn(move || while supply.refill(thread::yield_now).expect("room") {})
        };
        let takers = [(), ()].map(|()| {
            let supply = Arc::clone(&supply);
            spawn(move || [(); 2].map(|()| supply.take(SEGMENT_BYTES).expect("room").name))
        });
        let names: Vec<String> = joined(takers).into_iter().flatten().collect();
        helper.join().expect("the helper");
        let taken: BTreeSet<&String> = names.iter().collect();
        assert_eq!(4, taken.len(), "one segment was taken twice: {names:?}");
        supply.discard();
        let left = disk.names();
        assert!(left.iter().eq(taken), "left behind: {left:?}");
    });
}

#[test]
fn a_shortage_ends_once_there_is_room() {
    explore(0, || {
        let (disk, supply) = supply(2);
        disk.set_capacity(Some(SEGMENT_BYTES * choose(3)));
        let helper = {
            let (supply, disk) = (Arc::clone(&supply), disk.clone());
            spawn(move || {
                for _ in 0..3 {
                    let _ = supply.refill(|| {});
                }
                disk.set_capacity(None);
                while supply.refill(|| {}).expect("there is room") {}
            })
        };
        let taker = {
            let supply = Arc::clone(&supply);
            spawn(move || {
                while supply.take(SEGMENT_BYTES).is_err() {
                    thread::yield_now();
                }
            })
        };
        taker.join().expect("the taker");
        helper.join().expect("the helper");
        // The helper of a node looks again and again.
        while supply.refill(|| {}).expect("there is room") {}
        assert_eq!(2, supply.ready_count());
        assert_eq!((false, None), (supply.is_short(), supply.shortage()), "room, and still refused");
    });
}

//! What a simulated life is filled with, and who remembers outside of it.

use crate::seen::Seen;
use crate::support::World;
use crate::support::remote::Snapshot;
use drawdown_node::Node;
use drawdown_node::simulation::Random;
use std::rc::Rc;

/// One kind of work, with a memory of its own that no fault reaches.
pub trait Traffic {
    /// One piece of work; whether the node goes on.
    fn work(&mut self, node: &Node, random: &mut Random, seen: &mut Seen) -> bool;

    /// Learn what may be answered by now.
    fn hear(&mut self, node: &Node);

    /// What must hold at any moment.
    fn look(&mut self, node: &Node);

    /// Somebody asks what there is, and remembers the answer.
    fn ask(&mut self, _node: &Node) {}

    /// Images of accounts just left the node for the remote store.
    fn imaged(&mut self, _images: &[(u32, Vec<u8>)]) {}

    /// The power went while answers did not wait for the disk: nothing behind `durable_seq` was promised.
    fn unpromise(&mut self, durable_seq: u64);

    /// The power goes on a copy of the machine, as hard as it may; this is what comes up there.
    fn look_at_copy(&self, copy_world: &World, copy: Node);

    /// The folder is lost; all there is now is this.
    fn lose_all_but(&mut self, snapshot: &Snapshot);

    /// The life is over: let go of its node.
    fn let_go(&mut self);

    /// A node has come up. Nothing promised is missing up to `known_to`, nothing is there twice, and what was
    /// refused for certain is not there.
    fn audit(&mut self, world: &World, node: &Rc<Node>, known_to: u64, seen: &mut Seen);
}

//! Entries of how grants end: used up, expired, out of memory. Their bytes are part of `entry.rs`.

use crate::image_messages::GrantImage;
use prost::Message;

/// Breakage booked by the sweep.
#[derive(Clone, PartialEq, Message)]
pub struct GrantExpired {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(uint32, tag = "2")]
    pub credit_type: u32,
    #[prost(uint32, tag = "3")]
    pub number: u32,
    #[prost(int64, tag = "4")]
    pub amount: i64,
}

/// An active grant has nothing left: the entry follows what took the last of it.
#[derive(Clone, PartialEq, Message)]
pub struct GrantExhausted {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(uint32, tag = "2")]
    pub credit_type: u32,
    #[prost(uint32, tag = "3")]
    pub number: u32,
}

/// Ended grants that nothing can reach any more leave memory: here they are as they ended.
#[derive(Clone, PartialEq, Message)]
pub struct GrantsLeft {
    #[prost(uint32, tag = "1")]
    pub account: u32,
    #[prost(uint32, tag = "2")]
    pub credit_type: u32,
    #[prost(message, repeated, tag = "3")]
    pub grants: Vec<GrantImage>,
}

//! The bounds of one hot message. All are part of what callers may rely on.

/// Bytes of an id, a meter key, a credit type name, a dimension key or a dimension value.
pub const ID_BYTES_MAX: usize = 128;

/// Dimensions of one event, keys unique.
pub const DIMENSIONS_MAX: usize = 16;

/// Map entries read for one event before it is called malformed: repeated keys are legal
/// protobuf (the last wins) but no encoder writes them, and sorting them must stay cheap.
pub const DIMENSION_ENTRIES_MAX: usize = 4 * DIMENSIONS_MAX;

/// Events of one batch; with ~150 bytes per decoded event an arena stays below 10 MiB.
pub const BATCH_EVENTS_MAX: usize = 65_536;

/// Encoded bytes of one message, the default message limit of gRPC servers and clients.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of keys and values that the dimension sets of a batch's events come to, each event counted with its own: the
/// journal keeps them per event, so some kilobytes of columns that name one large set would be hundreds of megabytes.
pub const DIMENSION_BYTES_MAX: usize = 4 * BATCH_BYTES_MAX;

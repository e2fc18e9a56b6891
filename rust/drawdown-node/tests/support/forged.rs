//! Files of chunks taken apart and put together again with every check sum right, as somebody who means harm or a
//! program with a mistake would. From the drawings in `chunk_file.rs` and `checkpoint_file.rs`, not by that code.

use drawdown_node::simulation::SimulatedDisk;

pub const ACCOUNTS: u8 = 1;
pub const GLOBAL: u8 = 2;
pub const FOOTER: u8 = 3;

const BLOCK: usize = 4096;
const FILE_HEADER: usize = 64;
const CHUNK_HEADER: usize = 20;

pub const FORMAT: usize = 8;
pub const STORE: usize = 16;
pub const FIRST_NUMBER: usize = 32;
pub const SECOND_NUMBER: usize = 40;
pub const FOOTER_OFFSET: usize = 48;

pub const START_SEQ: usize = 0;
pub const END_SEQ: usize = 8;
pub const FULL_START_SEQ: usize = 16;
pub const GLOBAL_OFFSET: usize = 24;
pub const ACCOUNT_COUNT: usize = 32;
pub const KEYS_TO: usize = 48;
pub const RUN_COUNT: usize = 56;

#[derive(Clone)]
pub struct Chunk {
    pub kind: u8,
    pub body: Vec<u8>,
    /// What its header says.
    pub length: u32,
}

#[derive(Clone)]
pub struct ChunkFile {
    pub header: Vec<u8>,
    pub chunks: Vec<Chunk>,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Write `number` where a field of eight bytes stands.
pub fn put(bytes: &mut [u8], at: usize, number: u64) {
    bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

pub fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

impl ChunkFile {
    pub fn of(bytes: &[u8]) -> ChunkFile {
        let (mut chunks, mut at): (Vec<Chunk>, _) = (Vec::new(), FILE_HEADER);
        while chunks.last().is_none_or(|chunk| chunk.kind != FOOTER) {
            let length = word(bytes, at + 8);
            let body = bytes[at + CHUNK_HEADER..at + CHUNK_HEADER + length as usize].to_vec();
            at += CHUNK_HEADER + body.len();
            chunks.push(Chunk { kind: bytes[at - CHUNK_HEADER - body.len() + 4], body, length });
        }
        ChunkFile { header: bytes[..FILE_HEADER].to_vec(), chunks }
    }

    pub fn on(disk: &SimulatedDisk, name: &str) -> ChunkFile {
        ChunkFile::of(&disk.bytes_of(name).unwrap())
    }

    pub fn chunk(&mut self, kind: u8) -> &mut Chunk {
        self.chunks.iter_mut().find(|chunk| chunk.kind == kind).unwrap()
    }

    pub fn footer(&mut self) -> &mut Vec<u8> {
        &mut self.chunk(FOOTER).body
    }

    /// Another body for a chunk, and what points behind it moved along.
    pub fn set_body(&mut self, kind: u8, body: Vec<u8>) {
        let chunk = self.chunk(kind);
        (chunk.length, chunk.body) = (body.len() as u32, body);
        let place = |file: &ChunkFile, kind: u8| {
            let before = file.chunks.iter().take_while(|chunk| chunk.kind != kind);
            FILE_HEADER + before.map(|chunk| CHUNK_HEADER + chunk.body.len()).sum::<usize>()
        };
        let (global, footer) = (place(self, GLOBAL), place(self, FOOTER));
        put(&mut self.header, FOOTER_OFFSET, footer as u64);
        if self.footer().len() >= ACCOUNT_COUNT {
            put(self.footer(), GLOBAL_OFFSET, global as u64);
        }
    }

    /// The file, with every check sum right.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header.clone();
        let check = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&check.to_le_bytes());
        for chunk in &self.chunks {
            let mut head = Vec::from(*b"DJCH");
            head.extend_from_slice(&[chunk.kind, 0, 0, 0]);
            head.extend_from_slice(&chunk.length.to_le_bytes());
            head.extend_from_slice(&crc32c::crc32c(&chunk.body).to_le_bytes());
            let check = crc32c::crc32c_append(crc32c::crc32c(&self.header[STORE..STORE + 16]), &head);
            head.extend_from_slice(&check.to_le_bytes());
            bytes.extend_from_slice(&head);
            bytes.extend_from_slice(&chunk.body);
        }
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }
}

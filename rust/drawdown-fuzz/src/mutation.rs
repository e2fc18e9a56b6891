//! Changes at random, from a seed, so that a failure can be repeated.

use drawdown_node::simulation::Random;

/// Change `bytes` in up to four places; now and then by a piece of `other`.
pub fn mutate(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..[1, 1, 2, 4][random.below(4) as usize] {
        mutate_once(random, bytes, other);
    }
}

fn mutate_once(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(bytes.len() as u64 + 1) as usize;
    let inside = at < bytes.len();
    match random.below(9) {
        0 => bytes.truncate(at),
        1 if inside => bytes[at] = random.draw() as u8,
        2 if inside => bytes[at] ^= 1 << random.below(8),
        3 => bytes.insert(at, random.draw() as u8),
        4 if inside => drop(bytes.remove(at)),
        5 => {
            let piece = piece_of(random, bytes);
            bytes.splice(at..at, piece);
        }
        6 => {
            let piece = piece_of(random, other);
            let end = (at + piece.len()).min(bytes.len());
            bytes.splice(at..end, piece);
        }
        7 if inside => bytes[at] = [0x00, 0x7f, 0x80, 0xff, b'-', b'"', b'9', b'{'][random.below(8) as usize],
        8 => {
            let number = [0, 1, i64::MAX, i64::MIN, -1, 1 << 53][random.below(6) as usize];
            let text = number.to_string().into_bytes();
            bytes.splice(at..at, text);
        }
        _ => {}
    }
}

fn piece_of(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let start = random.below(bytes.len() as u64 + 1) as usize;
    let end = (start + random.below(24) as usize).min(bytes.len());
    bytes[start..end].to_vec()
}

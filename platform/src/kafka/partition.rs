//! Which partition a key belongs to, as Java's default partitioner decides it.

/// The partition of a key among so many.
///
/// The same as Kafka's own clients compute (murmur2), so that producers in other languages and tools that look up a
/// key agree with us. librdkafka's default (CRC32) would not.
#[must_use]
pub fn partition_of(key: &str, partitions: i32) -> i32 {
    let positive = murmur2(key.as_bytes()) & 0x7fff_ffff;
    i32::try_from(positive).map_or(0, |hash| hash % partitions.max(1))
}

const SEED: u32 = 0x9747_b28c;
const MIX: u32 = 0x5bd1_e995;

fn murmur2(data: &[u8]) -> u32 {
    // Kafka's Java code hashes with a 32-bit length; keys are far shorter.
    let mut hash = SEED ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(MIX);
        k ^= k >> 24;
        hash = hash.wrapping_mul(MIX) ^ k.wrapping_mul(MIX);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| (tail << 8) | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests;

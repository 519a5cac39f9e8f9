use super::{murmur2, partition_of};

/// From `org.apache.kafka.common.utils.UtilsTest.testMurmur2`.
const VECTORS: [(&str, i32); 6] = [
    ("21", -973_932_308),
    ("foobar", -790_332_482),
    ("a-little-bit-long-string", -985_981_536),
    ("a-little-bit-longer-string", -1_486_304_829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ("abc", 479_470_107),
];

#[test]
fn hashes_are_those_of_the_java_client() {
    for (key, hash) in VECTORS {
        assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
    }
}

#[test]
fn a_negative_hash_loses_its_sign_bit_and_not_its_sign() {
    // Java: (-973932308 & 0x7fffffff) % 6.
    assert_eq!(partition_of("21", 6), (-973_932_308_i32 & 0x7fff_ffff) % 6);
    assert_eq!(partition_of("abc", 6), 479_470_107 % 6);
}

#[test]
fn an_empty_key_and_a_single_partition_have_a_place() {
    assert_eq!(partition_of("", 1), 0);
    assert_eq!(partition_of("anything", 1), 0);
}

//! The CRCs of ext4 and of its journal, as the kernel computes them: no inversion at either end.

/// CRC-32C (Castagnoli), continued from `seed`.
pub fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!seed, bytes)
}

/// CRC-32 of IEEE 802.3, most significant bit first, continued from `seed`: what JBD2 sums whole
/// transactions with where only `JBD2_FEATURE_COMPAT_CHECKSUM` is set.
pub fn crc32_be(seed: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(seed, |crc, byte| {
        let index = (crc >> 24) ^ u32::from(*byte);
        let entry = usize::try_from(index).ok().and_then(|index| BIG_ENDIAN_TABLE.get(index));
        (crc << 8) ^ entry.copied().unwrap_or_default()
    })
}

static BIG_ENDIAN_TABLE: [u32; 256] = big_endian_table();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "runs in the compiler over 0..256"
)]
const fn big_endian_table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0x04c1_1db7;
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let mut value = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            let carry = value & 0x8000_0000 != 0;
            value <<= 1;
            if carry {
                value ^= POLYNOMIAL;
            }
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogue_values() {
        // CRC-32/ISCSI and CRC-32/MPEG-2 of "123456789", from the catalogue of parametrised CRCs.
        assert_eq!(!crc32c(u32::MAX, b"123456789"), 0xe306_9283);
        assert_eq!(crc32_be(u32::MAX, b"123456789"), 0x0376_e6e7);
    }
}

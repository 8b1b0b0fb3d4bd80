//! Help for the tests of this room: damage, done in many ways and always the same ones.

use super::{BlockDevice, OpenOptions, open_image};
use std::path::Path;

/// A small generator of numbers, the same ones each time.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

/// Writes `count` damaged versions of an image beside its other files and reads each as far as it
/// goes; what is asserted is that all of them end.
pub(super) fn survive_damage(folder: &Path, bytes: &[u8], hot: usize, count: usize) {
    let mut random = Random(0x5eed);
    let path = folder.join("damaged");
    for round in 0..count {
        let mut damaged = bytes.to_vec();
        match round % 4 {
            0 => damaged.truncate(random.below(bytes.len())),
            1 => {
                for _ in 0..4 {
                    let at = random.below(bytes.len());
                    damaged[at] ^= 1 << random.below(8);
                }
            }
            _ => {
                for _ in 0..=random.below(4) {
                    let at = random.below(hot.min(bytes.len()));
                    damaged[at] = u8::try_from(random.below(256)).unwrap();
                }
            }
        }
        std::fs::write(&path, &damaged).unwrap();
        if let Ok(image) = open_image(&path, &OpenOptions::default()) {
            read_some(image.device.as_ref());
        }
    }
}

/// Reads the first data of a device, in pieces.
pub(super) fn read_some(device: &dyn BlockDevice) {
    let mut buffer = vec![0; 64 << 10];
    let mut at = 0;
    for _ in 0..64 {
        let Ok(Some(range)) = device.next_data(at) else { break };
        assert!(range.start >= at && range.start < range.end && range.end <= device.length());
        let length = usize::try_from(range.end - range.start).unwrap().min(buffer.len());
        let _ = device.read_at(range.start, &mut buffer[..length]);
        at = range.start + u64::try_from(length).unwrap();
    }
    let tail = device.length().saturating_sub(512);
    let _ = device.read_at(tail, &mut buffer[..512]);
}

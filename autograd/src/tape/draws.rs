//! Random draws on a tape: functions of its seed and of how many there were.

use super::Tape;
use crate::element::Float;

impl<T: Float> Tape<T> {
    /// Draws from now on as a fresh tape with this seed: so the draws of step k of a run are a function of
    /// k, wherever the run was taken up.
    pub fn reseed(&self, seed: u64) {
        self.seed.set(seed);
        self.draws.set(0);
    }

    /// A key for the next random draw on this tape: a function of its seed and of how many there were. Of
    /// neighbouring seeds, no two draws are the same.
    pub fn draw(&self) -> u64 {
        let count = self.draws.get();
        self.draws.set(count + 1);
        scatter(scatter(self.seed.get()).wrapping_add(u64::from(count)))
    }
}

/// A number for each number, the same ones in another order: SplitMix64 (Steele, Lea, Flood 2014).
fn scatter(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

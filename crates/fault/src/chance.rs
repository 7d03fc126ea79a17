//! Chance, as a number and as a die that falls the same way for the same seed.

/// How likely something is, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chance(u32);

impl Chance {
    pub(crate) const ALWAYS: Self = Self(1_000_000);

    /// Reads `1%`, `0.25%`: up to four digits behind the point, 100 % at most.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        let (whole, behind) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(behind) || behind.len() > 4 {
            return None;
        }
        let behind: u32 = format!("{behind:0<4}").parse().ok()?;
        let millionths = whole.parse::<u32>().ok()?.checked_mul(10_000)? + behind;
        (millionths <= Self::ALWAYS.0).then_some(Self(millionths))
    }
}

/// A die of its own for each rule, so that one rule's throws do not change another's.
///
/// Source: `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
/// Written here so that a seed means the same in every version of every dependency.
#[derive(Clone, Debug)]
pub(crate) struct Die(u64);

/// The odd number nearest to 2⁶⁴ divided by the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Die {
    pub(crate) fn new(seed: u64, rule: usize) -> Self {
        let mut die = Self(seed);
        let start = die.next();
        Self(start ^ (rule as u64).wrapping_mul(GAMMA))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, each as likely as any other but for one part in 2⁶⁴ / `end`; 0 if `end` is.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    pub(crate) fn hits(&mut self, chance: Chance) -> bool {
        chance == Chance::ALWAYS || self.below(Chance::ALWAYS.0.into()) < chance.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chance_is_a_percentage() {
        for (text, millionths) in [
            ("1%", Some(10_000)),
            ("0.25%", Some(2_500)),
            ("0.0001%", Some(1)),
            ("100%", Some(1_000_000)),
            ("0%", Some(0)),
            ("100.0001%", None),
            ("0.00001%", None),
            ("1", None),
            ("%", None),
            (".5%", None),
            ("1.%", None),
            ("+1%", None),
            ("99999999999%", None),
        ] {
            assert_eq!(Chance::read(text), millionths.map(Chance), "{text}");
        }
    }

    #[test]
    fn a_die_falls_as_its_seed_says_and_about_as_often_as_it_should() {
        let throw = |seed, rule| -> Vec<bool> {
            let mut die = Die::new(seed, rule);
            (0..10_000).map(|_| die.hits(Chance(10_000))).collect()
        };
        let hits = throw(1, 0).iter().filter(|hit| **hit).count();
        assert!((60..140).contains(&hits), "{hits} of 10000 at 1 %");
        assert_eq!(throw(1, 0), throw(1, 0));
        assert_ne!(throw(1, 0), throw(2, 0));
        assert_ne!(throw(1, 0), throw(1, 1));
        let mut die = Die::new(7, 0);
        assert!(!die.hits(Chance(0)) && die.hits(Chance::ALWAYS));
        assert_eq!(die.below(0), 0);
    }
}

//! Two programs in turns, and the median of their ratios.

use std::io;
use std::time::Duration;

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What is done.
    pub job: &'static str,
    /// Beside what.
    pub beside: &'static str,
    /// What the ratio shall be.
    pub target: &'static str,
}

impl Row {
    /// Prints times and their ratio; `ours` is repeated `times` as often as `theirs`.
    ///
    /// # Errors
    /// The first of either side.
    pub fn measure(
        &self,
        rounds: usize,
        times: u32,
        mut ours: impl FnMut() -> io::Result<Duration>,
        theirs: impl FnMut() -> io::Result<Duration>,
    ) -> io::Result<()> {
        let ours = || {
            let mut all = Duration::ZERO;
            for _ in 0..times {
                all += ours()?;
            }
            Ok(all / times)
        };
        let pairs = pairs(rounds, ours, theirs)?;
        let ratio = |pair: &(f64, f64)| pair.0 / pair.1;
        let ms = |seconds: f64| format!("{:.2} ms", seconds * 1e3);
        self.print(median(pairs.iter().map(ratio)), &pairs, ms);
        Ok(())
    }

    /// Prints rates and their ratio.
    ///
    /// # Errors
    /// The first of either side.
    pub fn bulk(
        &self,
        rounds: usize,
        bytes: u64,
        ours: impl FnMut() -> io::Result<Duration>,
        theirs: impl FnMut() -> io::Result<Duration>,
    ) -> io::Result<()> {
        let pairs = pairs(rounds, ours, theirs)?;
        let ratio = |pair: &(f64, f64)| pair.1 / pair.0;
        let rate = |seconds: f64| format!("{:.2} GB/s", bytes as f64 / seconds / 1e9);
        self.print(median(pairs.iter().map(ratio)), &pairs, rate);
        Ok(())
    }

    fn print(&self, ratio: f64, pairs: &[(f64, f64)], show: impl Fn(f64) -> String) {
        let (ours, theirs) = (
            median(pairs.iter().map(|pair| pair.0)),
            median(pairs.iter().map(|pair| pair.1)),
        );
        let Self {
            job,
            beside,
            target,
        } = self;
        let (ours, theirs) = (show(ours), show(theirs));
        println!("| {job} | {beside} | {target} | {ratio:.3} | {ours} | {theirs} |");
    }
}

/// Seconds of both, in turns.
fn pairs(
    rounds: usize,
    mut ours: impl FnMut() -> io::Result<Duration>,
    mut theirs: impl FnMut() -> io::Result<Duration>,
) -> io::Result<Vec<(f64, f64)>> {
    // Once for warming up.
    ours()?;
    theirs()?;
    let mut pair = || Ok((ours()?.as_secs_f64(), theirs()?.as_secs_f64()));
    (0..rounds).map(|_| pair()).collect()
}

/// The middle one of several values; of an even number, the upper of the two.
///
/// # Panics
/// Without any value.
#[must_use]
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

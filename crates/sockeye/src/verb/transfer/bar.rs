//! The bar on a terminal: how far, how fast, how long.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sockeye_service::files::client::Standing;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::report::Pace;
use crate::catalogue as say;
use crate::ui::{Ui, escape, quantity};

/// Columns of the name of the file in hand; a terminal of 80 has as many for the bar.
const NAME: usize = 24;

/// A line at the bottom of the terminal that is drawn again and again.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
    ui: Ui,
}

impl Bar {
    pub(super) fn new(ui: Ui) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        Self { bar, ui }
    }

    /// How it stands.
    pub(super) fn draw(&self, standing: &Standing, pace: Pace) {
        // The templates are ours and right.
        let style = |template| ProgressStyle::with_template(template).ok();
        let known = standing.total_bytes;
        let style = match known {
            Some(_) => style("{prefix} {wide_bar} {msg}"),
            None => style("{prefix} {msg}"),
        };
        if let Some(style) = style {
            self.bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        if let Some(total) = known {
            self.bar.set_length(total);
            self.bar.set_position(standing.done_bytes.min(total));
        }
        self.bar.set_prefix(fitted(&escape(&standing.name), NAME));
        self.bar.set_message(self.figures(standing, pace));
        self.bar.tick();
    }

    fn figures(&self, standing: &Standing, pace: Pace) -> String {
        let rate = quantity::bytes_a_second(pace.rate);
        let done = quantity::bytes(standing.done_bytes);
        let Some(total) = standing.total_bytes else {
            return format!("{done}  {rate}");
        };
        let percent = percent(standing.done_bytes, total);
        let left = pace.left.map(quantity::clock);
        let left = left.map(|left| say::TIME_LEFT.fill(self.ui.lang, &[("time", &left)]));
        format!("{percent:>3} %  {rate}  {}", left.unwrap_or_default())
    }

    /// Writes lines above it.
    pub(super) fn above(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Whole percents; only what is complete is a hundred.
pub(super) fn percent(done: u64, total: u64) -> u64 {
    match total {
        0 => 100,
        total => (u128::from(done.min(total)) * 100 / u128::from(total)) as u64,
    }
}

/// The end of a name in so many columns, filled up with spaces.
fn fitted(name: &str, columns: usize) -> String {
    let mut kept = String::new();
    let width = name.width();
    if width > columns {
        let mut room = columns - 1;
        let tail: Vec<char> = name
            .chars()
            .rev()
            .take_while(|c| {
                let wide = c.width().unwrap_or(0);
                let fits = wide <= room;
                room = room.saturating_sub(wide);
                fits
            })
            .collect();
        kept.push('…');
        kept.extend(tail.into_iter().rev());
    } else {
        kept.push_str(name);
    }
    let pad = columns.saturating_sub(kept.width());
    kept.extend(std::iter::repeat_n(' ', pad));
    kept
}

/// Time until the end at this rate.
pub(super) fn left(standing: &Standing, rate: f64) -> Option<Duration> {
    let total = standing.total_bytes?;
    let rest = total.saturating_sub(standing.done_bytes);
    // A century is as good as never.
    let seconds = rest as f64 / rate;
    (rate > 0.0 && seconds < 3e9).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_wide_as_their_column_whatever_the_script() {
        let check = |name: &str, expected: &str| {
            let fitted = fitted(name, 10);
            assert_eq!((&*fitted, fitted.width()), (expected, 10));
        };
        check("a.txt", "a.txt     ");
        check("0123456789", "0123456789");
        check("01234567890", "…234567890");
        check("照片.jpg", "照片.jpg  ");
        check("我的照片收藏.jpg", "…收藏.jpg ");
    }

    #[test]
    fn a_hundred_percent_is_the_end_and_nothing_before() {
        assert_eq!(percent(0, 0), 100);
        assert_eq!(percent(999_999, 1_000_000), 99);
        assert_eq!(percent(1 << 60, 1 << 60), 100);
    }
}

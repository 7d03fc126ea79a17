//! How things look: few colours, which read on dark and on light terminals, and none with NO_COLOR.

use ratatui::style::{Color, Modifier, Style};

/// The colours of nicks: of the 256 those that have a contrast of at least 3 to 1 with black and with
/// white (WCAG 2.1, 1.4.11), round the circle of hues.
const NICKS: [u8; 16] = [
    160, 166, 130, 136, 100, 64, 28, 29, 31, 67, 26, 63, 98, 128, 163, 168,
];

/// The looks of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) colours: bool,
}

impl Look {
    fn coloured(self, colour: Color) -> Style {
        if self.colours {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    /// A nick's own colour, the same everywhere and on every day.
    pub(super) fn nick(self, nick: &str) -> Style {
        // FNV-1a of 32 bits, whose high half knows of every letter: the same in every version of ours.
        let hash = nick.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
        });
        let mixed = hash.wrapping_mul(0x9e37_79b1) >> 16;
        let index = NICKS[mixed as usize % NICKS.len()];
        self.coloured(Color::Indexed(index))
    }

    /// What is there and does not matter now.
    pub(super) fn dim() -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn bold() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Where one is.
    pub(super) fn current() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What concerns us: somebody said our name.
    pub(super) fn mention(self) -> Style {
        self.coloured(Color::Indexed(166))
            .add_modifier(Modifier::BOLD)
    }

    /// What was not seen yet.
    pub(super) fn unread(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// What went wrong.
    pub(super) fn wrong(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Who is here.
    pub(super) fn here(self) -> Style {
        self.coloured(Color::Green)
    }

    /// Who is away.
    pub(super) fn away(self) -> Style {
        self.coloured(Color::Yellow)
    }

    /// The lines above and below the messages.
    pub(super) fn bar(self) -> Style {
        if self.colours {
            Style::new().fg(Color::Indexed(255)).bg(Color::Indexed(238))
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    /// The head of a plain peer's answer: bold on blue, as the tutorial's `ESC[1;44m` (ECMA-48 §8.3.117).
    pub(super) fn answer(self) -> Style {
        let bold = Self::bold();
        if self.colours {
            bold.bg(Color::Blue)
        } else {
            bold
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nick_keeps_its_colour_and_names_spread_over_all() {
        let look = Look { colours: true };
        assert_eq!(look.nick("Tom"), look.nick("tOM"));
        let names = (0..200).map(|n| format!("guest-{n}"));
        let mut colours: Vec<_> = names.map(|name| look.nick(&name).fg).collect();
        colours.sort_by_key(|colour| format!("{colour:?}"));
        colours.dedup();
        assert_eq!(colours.len(), NICKS.len());
    }

    #[test]
    fn colours_read_on_black_and_on_white() {
        // WCAG 2.1's contrast over xterm's cube of 6x6x6.
        let level = |n: u8| {
            if n == 0 {
                0.0
            } else {
                f64::from(55 + n * 40) / 255.0
            }
        };
        let linear = |c: f64| {
            if c <= 0.03928 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        };
        for index in NICKS {
            let cube = index - 16;
            let [r, g, b] = [cube / 36, cube / 6 % 6, cube % 6].map(|n| linear(level(n)));
            let luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
            let (dark, light) = ((luminance + 0.05) / 0.05, 1.05 / (luminance + 0.05));
            assert!(dark >= 3.0 && light >= 3.0, "{index}: {dark:.1} {light:.1}");
        }
    }

    #[test]
    fn without_colours_nothing_has_one() {
        let look = Look { colours: false };
        for style in [
            look.nick("tom"),
            look.mention(),
            look.unread(),
            look.wrong(),
            look.answer(),
        ] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
    }
}

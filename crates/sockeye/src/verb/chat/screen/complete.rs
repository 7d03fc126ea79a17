//! Tab after Tab: the words that may stand where one is being typed, one after the other.

use crate::verb::chat::model::Completion;

/// Words that are gone through at most; who has so many goes on typing.
const WORDS: usize = 200;

/// A word that is being completed: Tab turns to the next choice, Shift-Tab to the one before, and
/// what was typed comes round again.
#[derive(Debug)]
pub(super) struct Completing {
    /// What was typed, then the choices.
    round: Vec<String>,
    /// Which stands in the line.
    at: usize,
}

impl Completing {
    /// Begins where `before` ends; none: nothing can stand there.
    pub(super) fn begin(before: &str, completion: Completion) -> Option<Self> {
        let typed = before.get(completion.start..)?.to_owned();
        let words = completion.words.into_iter().take(WORDS);
        let round: Vec<String> = [typed].into_iter().chain(words).collect();
        (round.len() > 1).then_some(Self { round, at: 0 })
    }

    /// The next choice or the one before: how many characters go before it is written, and what is
    /// written.
    pub(super) fn turn(&mut self, forward: bool) -> (usize, &str) {
        let gone = self.round[self.at].chars().count();
        let count = self.round.len();
        self.at = (self.at + if forward { 1 } else { count - 1 }) % count;
        (gone, &self.round[self.at])
    }

    /// The choices and the one that stands in the line, where there are several.
    pub(super) fn choices(&self) -> Option<(&[String], usize)> {
        let at = self.at.checked_sub(1)?;
        (self.round.len() > 2).then_some((&self.round[1..], at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tab_goes_round_and_takes_back_what_it_wrote() {
        let words = ["Tom: ", "tim: ", "一棵树: "].map(String::from).to_vec();
        let completion = Completion { start: 0, words };
        let mut completing = Completing::begin("t", completion).unwrap();
        assert_eq!(completing.choices(), None);
        assert_eq!(completing.turn(true), (1, "Tom: "));
        assert_eq!(completing.turn(true), (5, "tim: "));
        assert_eq!(completing.turn(true), (5, "一棵树: "));
        assert_eq!(completing.choices().unwrap().1, 2);
        assert_eq!(completing.turn(true), (5, "t"));
        assert_eq!(completing.turn(false), (1, "一棵树: "));
    }

    #[test]
    fn what_nothing_begins_with_stays() {
        assert!(
            Completing::begin(
                "hello x",
                Completion {
                    start: 6,
                    words: vec![]
                }
            )
            .is_none()
        );
    }
}

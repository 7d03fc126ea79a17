//! What a word that is being typed may become.

use super::Model;
use super::conversation::Place;
use super::typed::COMMANDS;

/// Words that may stand where one is being typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Completion {
    /// Where that word begins, in bytes.
    pub(crate) start: usize,
    /// What may stand there, whole and with what belongs behind it; the likeliest first.
    pub(crate) words: Vec<String>,
}

impl Model {
    /// Completes the word at the end of `line`, which is the line up to the cursor: commands at its
    /// beginning, else nicks and rooms. Who spoke last comes first.
    pub(crate) fn complete(&self, line: &str) -> Completion {
        let start = line.rfind(' ').map_or(0, |blank| blank + 1);
        let begun = line[start..].to_lowercase();
        let words = if let (0, Some(command)) = (start, begun.strip_prefix('/')) {
            let names = COMMANDS.iter().map(|command| command.name);
            names
                .filter(|name| name.starts_with(command))
                .map(|name| format!("/{name} "))
                .collect()
        } else {
            let behind = if start == 0 { ": " } else { " " };
            self.names(&begun, behind)
        };
        Completion { start, words }
    }

    fn names(&self, begun: &str, behind: &str) -> Vec<String> {
        let fits = |name: &str| !begun.is_empty() && name.to_lowercase().starts_with(begun);
        let Some(current) = self.current() else {
            let all = self.conversations.iter().map(|one| &one.name);
            return all.filter(|name| fits(name)).cloned().collect();
        };
        let said = current.messages.iter().rev().filter(|one| !one.mine);
        let spoke = said.filter_map(|one| one.from.as_deref());
        let there = current.members.values().map(|person| &*person.nick);
        let other = match &current.place {
            Place::Person(_, nick) => Some(&**nick),
            _ => None,
        };
        let mine = current.place.server().map(|id| &*self.server(id).nick);
        let mut words: Vec<String> = vec![];
        for nick in spoke.take(200).chain(there).chain(other) {
            let word = format!("{nick}{behind}");
            if Some(nick) != mine && fits(nick) && !words.contains(&word) {
                words.push(word);
            }
        }
        let rooms = self
            .conversations
            .iter()
            .filter_map(|one| match &one.place {
                Place::Room(_, name) if fits(name) => Some(format!("{name} ")),
                _ => None,
            });
        words.extend(rooms);
        words
    }
}

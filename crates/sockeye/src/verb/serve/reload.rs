//! Reading the config again: from what runs to what should run.

use sockeye_service::Options;

use super::Entry;
use super::exchange::{Exchange, Running};
use super::opened::Opened;
use crate::config::Config;

/// What a reload changed: names of services.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) added: Vec<String>,
    pub(super) removed: Vec<String>,
    pub(super) changed: Vec<String>,
}

/// What becomes of the services.
#[derive(Default)]
struct Plan {
    /// Named as before, with other sockets or other answers, or not there before.
    fresh: Vec<Entry>,
    /// As before but for what their peers may do.
    limits: Vec<(Entry, Options)>,
    /// Left alone.
    same: Vec<String>,
    changes: Changes,
}

impl Exchange<'_> {
    /// Serves what the new config says. What it leaves alone goes on undisturbed; if one of its
    /// sockets cannot be opened, the old services listen again.
    pub(super) async fn reload(&mut self, config: &Config) -> anyhow::Result<Changes> {
        let Plan {
            fresh,
            limits,
            same,
            mut changes,
        } = self.plan(config).await?;
        let stays = |old: &Running| {
            let label = old.entry.label();
            same.contains(&label) || limits.iter().any(|(entry, _)| entry.label() == label)
        };
        let (kept, gone) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(stays);
        self.running = kept;
        let gone = self.end(gone).await?;
        let names = gone.iter().map(Entry::label);
        changes.removed = names
            .filter(|name| !changes.changed.contains(name))
            .collect();
        self.replace(&fresh, &gone).await?;
        for (entry, options) in limits {
            let running = self
                .running
                .iter_mut()
                .find(|old| old.entry.label() == entry.label());
            if let Some(running) = running {
                running.control.reload(options);
                running.entry = entry;
            }
        }
        Ok(changes)
    }

    /// Compares what runs with what should, and refuses what cannot run before anything changes.
    async fn plan(&self, config: &Config) -> anyhow::Result<Plan> {
        let mut plan = Plan::default();
        for entry in &config.entries {
            let options = entry.options()?;
            self.maker.check(entry).await?;
            let label = entry.label();
            match self.running.iter().find(|old| old.entry.label() == label) {
                Some(old) if old.entry == *entry => plan.same.push(label),
                Some(old) if old.entry.serves_as(entry) => {
                    plan.changes.changed.push(label);
                    plan.limits.push((entry.clone(), options));
                }
                Some(_) => {
                    plan.changes.changed.push(label);
                    plan.fresh.push(entry.clone());
                }
                None => {
                    plan.changes.added.push(label);
                    plan.fresh.push(entry.clone());
                }
            }
        }
        Ok(plan)
    }

    /// Ends services and waits until their sockets are free.
    async fn end(&mut self, services: Vec<Running>) -> anyhow::Result<Vec<Entry>> {
        let mut left: Vec<String> = services.iter().map(|old| old.entry.label()).collect();
        let mut entries = vec![];
        for Running { entry, end, .. } in services {
            let _ = end.send(());
            entries.push(entry);
        }
        while !left.is_empty() {
            let Some(ended) = self.tasks.join_next().await else {
                break;
            };
            let name = self.count(ended)?;
            left.retain(|other| *other != name);
        }
        Ok(entries)
    }

    /// Opens the `fresh` services, or if that fails the ones that are `gone` again.
    async fn replace(&mut self, fresh: &[Entry], gone: &[Entry]) -> anyhow::Result<()> {
        let opened = self.open_all(fresh).await;
        let (opened, failed) = match opened {
            Ok(opened) => (opened, None),
            Err(error) => (self.open_all(gone).await?, Some(error)),
        };
        for service in opened {
            self.announce(&service, false);
            self.run(service);
        }
        failed.map_or(Ok(()), Err)
    }

    /// Opens all of them or none.
    pub(super) async fn open_all(&self, entries: &[Entry]) -> anyhow::Result<Vec<Opened>> {
        let mut opened = vec![];
        for entry in entries {
            opened.push(Opened::open(self.context, self.maker, entry).await?);
        }
        Ok(opened)
    }
}

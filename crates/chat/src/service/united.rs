//! One of several servers: the history is a copy of what all of them share.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use super::store::{ChatError, Keeping};
use super::{Chat, ChatOptions};
use crate::cluster::{Cache, Cluster, ClusterOptions, Town};
use crate::history::History;
use crate::log::Entry;
use crate::world::World;

/// Says in the folder of a chat which stream its history is a copy of.
const ORIGIN_FILE: &str = "cluster.origin";

/// The history of this server as a cluster sees it.
struct Copy {
    history: Arc<History>,
    origin: PathBuf,
}

impl Cache for Copy {
    fn keep(&self, entries: &[Entry]) -> Result<(), String> {
        let kept = self.history.cache(entries);
        kept.map_err(|error| error.to_string())
    }

    fn last(&self) -> (u64, u64) {
        self.history.last()
    }

    fn origin(&self) -> Result<Option<String>, String> {
        match fs::read_to_string(&self.origin) {
            Ok(text) => Ok(Some(text.trim_end().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", self.origin.display())),
        }
    }

    fn set_origin(&self, origin: &str) -> Result<(), String> {
        let failed = |error: io::Error| format!("{}: {error}", self.origin.display());
        // As a whole or not at all: half a name would be another stream's.
        let fresh = self.origin.with_extension("new");
        fs::write(&fresh, format!("{origin}\n")).map_err(failed)?;
        let file = fs::File::open(&fresh).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&fresh, &self.origin).map_err(failed)
    }
}

impl Chat {
    /// Opens it as one of several servers: with what was said while it was away, and knowing who is
    /// on the others.
    ///
    /// # Errors
    /// When its store cannot be opened, or the others cannot be reached.
    pub async fn start_united(
        options: ChatOptions,
        cluster: ClusterOptions,
    ) -> Result<Arc<Self>, ChatError> {
        let keeping = options.keeping.clone().ok_or(ChatError::NothingKept)?;
        let chat = Self::open(options)?;
        let history = History::open(&keeping.history(), keeping.options)?;
        let cache: Arc<dyn Cache> = Arc::new(Copy {
            history: Arc::clone(&history),
            origin: keeping.folder.join(ORIGIN_FILE),
        });
        let cluster = Cluster::connect(cluster, &cache).await?;
        let kept = history.kept()?;
        // A second one is never asked.
        let _ = chat.history.set(history);
        let _ = chat.cluster.set(Arc::clone(&cluster));
        chat.with_world(|world| {
            world.restore(kept);
            world.unite(cluster.clone(), cluster.clone());
        });
        let town: Arc<dyn Town> = chat.clone();
        let town: Weak<dyn Town> = Arc::downgrade(&town);
        cluster.follow(&cache, &town);
        cluster.settled().await;
        chat.begin();
        Ok(chat)
    }

    /// The other servers, if it is one of several.
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.cluster.get()
    }
}

impl Town for Chat {
    fn turn(&self, act: &mut dyn FnMut(&mut World)) {
        self.with_world(act);
    }
}

impl Keeping {
    /// The same, kept for as long as the stream keeps it.
    pub fn retention(&self) -> Option<std::time::Duration> {
        Some(self.options.max_age).filter(|age| !age.is_zero())
    }
}

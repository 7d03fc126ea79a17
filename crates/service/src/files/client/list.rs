//! `get --list`: what is in a folder.

use std::sync::Arc;
use std::time::Duration;

use sockeye_net::Link;

use super::error::TransferError;
use super::progress::Progress;
use super::put::{broken, refused, while_moving};
use crate::files::FileName;
use crate::files::message::{Answer, Entry, List, Request};
use crate::link_stream::as_stream;
use crate::wire::{WireReader, WireWriter};

/// Names of one listing that are held: more would be memory that a server chooses.
pub const MAX_ENTRIES: usize = 1_000_000;

/// What a listing came to beside its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// How many entries there were.
    pub entries: u64,
    /// How many the server left out: links, devices, names that are not UTF-8, unreadable folders.
    pub left_out: u64,
}

/// Asks what is in these folders, and tells `entry` what comes, in the server's order.
///
/// # Errors
/// When the server refuses, or sends what nobody asked for.
pub async fn list(
    link: Link,
    names: &[FileName],
    recursive: bool,
    patience: Duration,
    mut entry: impl FnMut(Entry),
) -> Result<Listed, TransferError> {
    let (reader, writer) = as_stream(link).map_err(TransferError::Link)?;
    let (mut reader, mut writer) = (WireReader::new(reader), WireWriter::new(writer));
    let progress = Arc::new(Progress::default());
    let work = async {
        let mut all = Listed::default();
        for name in names {
            let request = Request::List(List {
                file_name: name.to_string(),
                recursive,
            });
            writer
                .send(&request, &[])
                .await
                .map_err(TransferError::Link)?;
            loop {
                let header = reader.next().await.map_err(broken)?;
                progress.beat();
                match header.ok_or(TransferError::Ended)?.parse()? {
                    Answer::Entry(one) => {
                        all.entries += 1;
                        if all.entries > MAX_ENTRIES as u64 {
                            return Err(TransferError::TooMany { limit: MAX_ENTRIES });
                        }
                        if one.file_name != name.as_str() {
                            check(name, &one.file_name)?;
                        }
                        entry(one);
                    }
                    Answer::ListEnd(end) => {
                        all.left_out += end.left_out;
                        break;
                    }
                    Answer::Error(refusal) => return Err(refused(&refusal)),
                    other => return Err(TransferError::Unasked(format!("{other:?}"))),
                }
            }
        }
        // The end of the conversation is no part of what was asked.
        let _ = writer.shutdown().await;
        Ok(all)
    };
    while_moving(work, &progress, patience, || false).await
}

/// A name that a server has listed, and what of it lies below the folder that was asked for.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) name: FileName,
    pub(super) rest: FileName,
}

/// Whether a listed name lies below the folder that was asked for.
pub(super) fn check(folder: &FileName, name: &str) -> Result<Checked, TransferError> {
    let read: FileName = name.parse().map_err(|why| TransferError::Name {
        name: name.to_owned(),
        why,
    })?;
    if !read.is_below(folder) {
        let what = format!("{name:?}, which is not in {folder}");
        return Err(TransferError::Unasked(what));
    }
    let skipped = folder.parts().count();
    let rest = read.parts().skip(skipped).collect::<Vec<_>>().join("/");
    let rest = rest.parse().map_err(|why| TransferError::Name {
        name: name.to_owned(),
        why,
    })?;
    Ok(Checked { name: read, rest })
}

//! From the name of a service to what answers.

use sockeye_service::Service as Answers;
use sockeye_service::reply::{Chargen, Daytime, Discard, Echo, Reply, Upper};

use super::{Entry, Service};
use crate::context::Context;
use crate::exit::{Usage, usage};

/// What answers for this entry.
pub(super) fn service(entry: &Entry, _context: &Context) -> anyhow::Result<Answers> {
    let Some(service) = entry.service else {
        return Err(usage!("no service is given"));
    };
    Ok(match service {
        Service::Echo => Echo.into(),
        Service::Upper => {
            let upper = Upper::new(entry.charset());
            upper.map_err(|error| Usage(error.to_string()))?.into()
        }
        Service::Reply => {
            let text = entry.encoded(entry.text.as_deref())?.unwrap_or_default();
            Reply::new(&text).into()
        }
        Service::Discard => Discard.into(),
        Service::Chargen => Chargen.into(),
        Service::Daytime => Daytime::default().into(),
        Service::Print | Service::Hub | Service::Relay => {
            return Err(usage!("{} is not there yet", service.name()));
        }
    })
}

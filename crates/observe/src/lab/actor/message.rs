//! Messages out of a stream, under a framing.

use std::mem;

use sockeye_frame::{DecodeError, Decoder, Finish, Framing, Step};

use super::{Cannot, Done};

/// Where the messages of one stream end.
pub(super) struct Cut {
    frame: String,
    decoder: Decoder,
    /// What came and is no whole message yet.
    pub(super) unread: Vec<u8>,
    /// What is there of a message whose body comes piecemeal.
    body: Vec<u8>,
}

impl Cut {
    /// That which is kept, or a new one, also where another framing is wanted than before: what came under
    /// that one stays.
    pub(super) fn under<'a>(
        kept: &'a mut Option<Self>,
        frame: &str,
    ) -> Result<&'a mut Self, Cannot> {
        let unread = match kept.take() {
            Some(cut) if cut.frame == frame => return Ok(kept.insert(cut)),
            Some(cut) => cut.unread,
            None => vec![],
        };
        let framing: Framing = frame.parse().map_err(|why| format!("{why}"))?;
        Ok(kept.insert(Self {
            frame: frame.to_owned(),
            decoder: framing.decoder(),
            unread,
            body: vec![],
        }))
    }

    /// The next whole message of what came.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, DecodeError> {
        loop {
            let step = self.decoder.decode(&self.unread)?;
            let used = step.used();
            let whole = match &step {
                Step::NeedMore { .. } => return Ok(None),
                Step::Frame { .. } => true,
                Step::Body { chunk, left, .. } => {
                    self.body.extend_from_slice(&self.unread[chunk.clone()]);
                    *left == 0
                }
                Step::Head { .. } | Step::Skipped { .. } => false,
            };
            if let Step::Frame { .. } = step {
                let message = self.decoder.message(&self.unread, &step);
                self.body.extend_from_slice(message);
            }
            self.unread.drain(..used);
            if whole {
                return Ok(Some(mem::take(&mut self.body)));
            }
        }
    }

    /// What the end of the stream makes of the rest: nothing is left, or a line without its end.
    pub(super) fn finish(&mut self) -> Result<Option<Vec<u8>>, DecodeError> {
        let rest = mem::take(&mut self.unread);
        match self.decoder.finish(&rest)? {
            Finish::Clean => Ok(None),
            Finish::Unterminated { payload } => Ok(Some(rest[payload].to_vec())),
        }
    }
}

/// What a stream that is not of this framing comes to.
pub(super) fn senseless(why: &DecodeError) -> Done {
    Done {
        call: "recv".to_owned(),
        result: -1,
        errno: "bad-frame".to_owned(),
        data: why.to_string(),
    }
}

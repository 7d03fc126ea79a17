//! `u8` to `u64le` and the signed twins: a length of fixed width, then the payload.

use crate::counted::{Awaited, Read};
use crate::error::{DecodeError, Fault, Unencodable};
use crate::explain::{Evidence, Guess};

/// A length field and what it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LengthField {
    /// 1, 2, 3, 4 or 8.
    pub(crate) width: u8,
    pub(crate) little: bool,
    pub(crate) signed: bool,
    /// The length counts its own bytes too.
    pub(crate) incl: bool,
    /// Bytes of the message that go ahead of the length, which does not count them.
    pub(crate) off: usize,
    /// Added to the announced length.
    pub(crate) adj: i64,
}

impl LengthField {
    #[inline]
    pub(crate) fn width(&self) -> usize {
        usize::from(self.width)
    }

    /// What to add to the announced number to get the bytes that follow it.
    #[inline]
    pub(crate) fn delta(&self) -> i64 {
        self.adj - if self.incl { i64::from(self.width) } else { 0 }
    }

    /// The largest number that fits.
    pub(crate) fn most(&self) -> u64 {
        let bits = u32::from(self.width) * 8 - u32::from(self.signed);
        u64::MAX >> (64 - bits)
    }

    #[inline]
    pub(crate) fn read(&self, src: &[u8], at: u64) -> Result<Read, DecodeError> {
        let start = self.off + self.width();
        if src.len() < start {
            return Ok(Read::More {
                at_least: start - src.len(),
                seen: 0,
            });
        }
        let announced = self.number(&src[self.off..start]);
        if announced > self.most() {
            return Err(self.malformed(src, at, Fault::NegativeLength(self.negative(announced))));
        }
        let body = match announced.checked_add_signed(self.delta()) {
            Some(body) => body,
            // What does not fit 64 bits is above every limit all the same.
            None if self.delta() > 0 => u64::MAX,
            None => {
                let least = self.delta().unsigned_abs();
                return Err(self.malformed(src, at, Fault::ShortLength { announced, least }));
            }
        };
        Ok(Read::Whole(Awaited {
            announced,
            own: 0..self.off,
            start,
            body,
        }))
    }

    /// The field's bytes as an unsigned number.
    #[inline]
    fn number(&self, field: &[u8]) -> u64 {
        let number = match *field {
            [a] => return u64::from(a),
            [a, b] => u64::from(u16::from_be_bytes([a, b])),
            [a, b, c] => u64::from(u32::from_be_bytes([0, a, b, c])),
            [a, b, c, d] => u64::from(u32::from_be_bytes([a, b, c, d])),
            _ => u64::from_be_bytes(field.try_into().expect("the spec allows no other width")),
        };
        if self.little {
            number.swap_bytes() >> (64 - 8 * u32::from(self.width))
        } else {
            number
        }
    }

    /// An unsigned reading that is above `most`, read as the negative number that it is.
    fn negative(&self, number: u64) -> i64 {
        let unused = 64 - 8 * u32::from(self.width);
        ((number << unused) as i64) >> unused
    }

    #[cold]
    fn malformed(&self, src: &[u8], at: u64, fault: Fault) -> DecodeError {
        let evidence = Evidence::header(&src[..self.off + self.width()], None);
        DecodeError::Malformed {
            at,
            byte: at + self.off as u64,
            fault,
            evidence,
        }
    }

    /// What the peer would mean if it sent its length the other way round, where that is a
    /// message that `limit` allows.
    pub(crate) fn otherwise(&self, header: &[u8], limit: u64) -> Option<Guess> {
        let swapped = Self {
            little: !self.little,
            ..*self
        };
        let number = swapped.number(&header[self.off..]);
        let body = number.checked_add_signed(self.delta())?;
        let plausible = self.width > 1 && number <= self.most() && (1..=limit).contains(&body);
        plausible.then(|| Guess::OtherOrder {
            number,
            name: swapped.name().to_owned(),
        })
    }

    /// The number to announce for a message of which `body` bytes follow the length.
    #[inline]
    fn announce(&self, body: u64) -> Result<u64, Unencodable> {
        match body.checked_add_signed(-self.delta()) {
            Some(number) if number <= self.most() => Ok(number),
            None if self.delta() > 0 => Err(self.too_short(body)),
            Some(_) | None => Err(self.too_long(body)),
        }
    }

    #[cold]
    fn too_long(&self, body: u64) -> Unencodable {
        let most = self.most().saturating_add_signed(self.delta());
        let (len, most) = (self.whole(body), self.whole(most));
        Unencodable::TooLongForWidth { len, most }
    }

    #[cold]
    fn too_short(&self, body: u64) -> Unencodable {
        let least = self.whole(self.delta().unsigned_abs());
        Unencodable::TooShort {
            len: self.whole(body),
            least,
        }
    }

    /// The length of a message of which `body` bytes follow the length.
    fn whole(&self, body: u64) -> u64 {
        body.saturating_add(self.off as u64)
    }

    /// How many bytes of `message` go ahead of the length.
    #[inline]
    pub(crate) fn own(&self, message: &[u8]) -> Result<usize, Unencodable> {
        if message.len() >= self.off {
            return Ok(self.off);
        }
        Err(Unencodable::TooShort {
            len: message.len() as u64,
            least: self.off as u64,
        })
    }

    /// Whether these are all bytes that go ahead of the length.
    pub(crate) fn permit_own(&self, ahead: &[u8]) -> Result<(), Unencodable> {
        if ahead.len() == self.off {
            return Ok(());
        }
        Err(Unencodable::WrongSize {
            len: ahead.len() as u64,
            size: self.off as u64,
        })
    }

    /// Appends the length that announces `body` bytes.
    #[inline]
    pub(crate) fn put(&self, body: u64, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let number = self.announce(body)?;
        out.extend_from_slice(&self.bytes(number)[..self.width()]);
        Ok(())
    }

    /// Writes the length of what follows into the first bytes of `frame`, which wait for it.
    /// Nothing goes ahead of it.
    pub(crate) fn patch(&self, frame: &mut [u8]) -> Result<(), Unencodable> {
        let width = self.width();
        let number = self.announce((frame.len() - width) as u64)?;
        frame[..width].copy_from_slice(&self.bytes(number)[..width]);
        Ok(())
    }

    /// The field, in the first `width` bytes.
    #[inline]
    fn bytes(&self, number: u64) -> [u8; 8] {
        if self.little {
            number.to_le_bytes()
        } else {
            (number << (64 - 8 * u32::from(self.width))).to_be_bytes()
        }
    }

    /// What the field is called in a spec text.
    pub(crate) fn name(&self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, width, little, signed)| {
                (*width, *little, *signed) == (self.width, self.little, self.signed)
            })
            .map_or("", |(name, ..)| name)
    }

    /// The plain field of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (_, width, little, signed) = *NAMES.iter().find(|row| row.0 == name)?;
        Some(Self {
            width,
            little,
            signed,
            incl: false,
            off: 0,
            adj: 0,
        })
    }
}

/// Name, width, whether it is little-endian, whether it is signed. A single byte has no order.
const NAMES: [(&str, u8, bool, bool); 18] = [
    ("u8", 1, false, false),
    ("u16be", 2, false, false),
    ("u16le", 2, true, false),
    ("u24be", 3, false, false),
    ("u24le", 3, true, false),
    ("u32be", 4, false, false),
    ("u32le", 4, true, false),
    ("u64be", 8, false, false),
    ("u64le", 8, true, false),
    ("i8", 1, false, true),
    ("i16be", 2, false, true),
    ("i16le", 2, true, true),
    ("i24be", 3, false, true),
    ("i24le", 3, true, true),
    ("i32be", 4, false, true),
    ("i32le", 4, true, true),
    ("i64be", 8, false, true),
    ("i64le", 8, true, true),
];

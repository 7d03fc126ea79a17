//! `u8` to `u64le` and the signed twins: a length of fixed width, then the payload.

use crate::counted::{Awaited, Read};
use crate::error::{DecodeError, Fault, Unencodable};
use crate::explain::Evidence;

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
    fn delta(&self) -> i128 {
        i128::from(self.adj) - if self.incl { i128::from(self.width) } else { 0 }
    }

    /// The largest number that fits.
    fn most(&self) -> u64 {
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
        let body = i128::from(announced) + self.delta();
        let Ok(body) = u64::try_from(body) else {
            let least = u64::try_from(-self.delta()).unwrap_or(u64::MAX);
            return Err(self.malformed(src, at, Fault::ShortLength { announced, least }));
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
        let evidence = Evidence::header(src, self.off + self.width());
        DecodeError::Malformed {
            at,
            byte: at + self.off as u64,
            fault,
            evidence,
        }
    }

    /// The number to announce for a message of which `body` bytes follow the length.
    #[inline]
    fn announce(&self, body: u64) -> Result<u64, Unencodable> {
        let number = i128::from(body) - self.delta();
        match u64::try_from(number) {
            Ok(number) if number <= self.most() => Ok(number),
            Err(_) if number < 0 => Err(self.too_short(body)),
            Ok(_) | Err(_) => Err(self.too_long(body)),
        }
    }

    #[cold]
    fn too_long(&self, body: u64) -> Unencodable {
        let most = i128::from(self.most()) + self.delta() + self.off as i128;
        let most = u64::try_from(most.max(0)).unwrap_or(u64::MAX);
        Unencodable::TooLongForWidth {
            len: body.saturating_add(self.off as u64),
            most,
        }
    }

    #[cold]
    fn too_short(&self, body: u64) -> Unencodable {
        let least = u64::try_from(self.delta() + self.off as i128).unwrap_or(u64::MAX);
        Unencodable::TooShort {
            len: body.saturating_add(self.off as u64),
            least,
        }
    }

    /// The bytes ahead of the length, and the rest.
    #[inline]
    fn split<'a>(&self, message: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Unencodable> {
        let (len, least) = (message.len() as u64, self.off as u64);
        message
            .split_at_checked(self.off)
            .ok_or(Unencodable::TooShort { len, least })
    }

    #[inline]
    pub(crate) fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let (ahead, body) = self.split(message)?;
        let number = self.announce(body.len() as u64)?;
        out.reserve(message.len() + self.width());
        out.extend_from_slice(ahead);
        self.put(number, out);
        out.extend_from_slice(body);
        Ok(())
    }

    pub(crate) fn encode_head(
        &self,
        ahead: &[u8],
        body: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Unencodable> {
        if ahead.len() != self.off {
            return Err(Unencodable::WrongSize {
                len: ahead.len() as u64,
                size: self.off as u64,
            });
        }
        let number = self.announce(body)?;
        out.extend_from_slice(ahead);
        self.put(number, out);
        Ok(())
    }

    /// Announces the message in `frame`, which stands behind `width` reserved bytes.
    pub(crate) fn seal(&self, frame: &mut [u8]) -> Result<(), Unencodable> {
        let width = self.width();
        let (_, body) = self.split(&frame[width..])?;
        let number = self.announce(body.len() as u64)?;
        frame.copy_within(width..width + self.off, 0);
        frame[self.off..self.off + width].copy_from_slice(&self.field(number)[..width]);
        Ok(())
    }

    #[inline]
    fn put(&self, number: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.field(number)[..self.width()]);
    }

    /// The field in the first `width` bytes.
    #[inline]
    fn field(&self, number: u64) -> [u8; 8] {
        if self.little {
            number.to_le_bytes()
        } else {
            (number << (64 - 8 * u32::from(self.width))).to_be_bytes()
        }
    }
}

//! A walk over the structure of a DICOM data set before anything is parsed into memory.
//!
//! The parser proper believes the lengths it reads and recurses into sequences as deep as they go. This walk reads only
//! headers, allocates nothing, and refuses what would make the parser allocate more than the file holds, or overflow
//! its stack. It also finds the one encoding that the parser does not know: a sequence of unknown type (UN) and undefined
//! length is implicit VR inside, whatever surrounds it (PS3.5 6.2.2 note 2), and is cut out. Encoding rules: PS3.5 7.

use super::DicomError;
use dicom::core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom::core::{Tag, VR};
use dicom::dictionary_std::{StandardDataDictionary, tags};
use std::ops::Range;

/// Deepest nesting of sequences. Real files stay under 8.
const DEPTH_MAX: usize = 16;
/// Most data elements and items of one file, nested ones included. A 2000-frame enhanced series has about 60 000.
const ELEMENTS_MAX: usize = 1_000_000;
/// The length that means "until a delimiter".
const UNDEFINED: u32 = u32::MAX;

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// How a data set's headers are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    /// VRs are written out.
    pub explicit: bool,
    /// Numbers are big-endian.
    pub big_endian: bool,
}

impl Encoding {
    pub(super) const EXPLICIT_LE: Self = Self {
        explicit: true,
        big_endian: false,
    };
}

/// One header: tag, VR (UN where none is written and none is known) and declared length.
pub(super) struct Header {
    pub tag: Tag,
    pub vr: VR,
    pub length: u32,
}

/// Bytes of one number of a VR; 1 for what is not made of numbers.
fn number_bytes(vr: VR) -> u32 {
    match vr {
        VR::US | VR::SS | VR::OW => 2,
        VR::AT | VR::UL | VR::SL | VR::FL | VR::OL | VR::OF => 4,
        VR::UV | VR::SV | VR::FD | VR::OV | VR::OD => 8,
        _ => 1,
    }
}

/// A position in the bytes of a data set.
pub(super) struct Walker<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
    encoding: Encoding,
    elements: usize,
    /// How many enclosing sequences and items have a length of their own.
    rigid: usize,
    /// Sequences to cut out before parsing: where they are, and their tags.
    pub cuts: Vec<(Range<usize>, Tag)>,
}

impl<'a> Walker<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize, encoding: Encoding) -> Self {
        Self {
            bytes,
            at,
            encoding,
            elements: 0,
            rigid: 0,
            cuts: Vec::new(),
        }
    }

    fn take<const N: usize>(&mut self, tag: Tag) -> Result<[u8; N], DicomError> {
        let end = self.at + N;
        let found = self.bytes.get(self.at..end).ok_or(DicomError::Truncated {
            element: super::tag_name(tag),
            expected: N as u64,
            found: (self.bytes.len() - self.at) as u64,
        })?;
        self.at = end;
        Ok(found.try_into().expect("the slice has N bytes"))
    }

    fn u16(&mut self, tag: Tag) -> Result<u16, DicomError> {
        let raw = self.take(tag)?;
        Ok(if self.encoding.big_endian {
            u16::from_be_bytes(raw)
        } else {
            u16::from_le_bytes(raw)
        })
    }

    fn u32(&mut self, tag: Tag) -> Result<u32, DicomError> {
        let raw = self.take(tag)?;
        Ok(if self.encoding.big_endian {
            u32::from_be_bytes(raw)
        } else {
            u32::from_le_bytes(raw)
        })
    }

    /// Reads the next header.
    pub(super) fn header(&mut self) -> Result<Header, DicomError> {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(DicomError::TooManyElements { max: ELEMENTS_MAX });
        }
        let group = self.u16(Tag(0, 0))?;
        let tag = Tag(group, self.u16(Tag(group, 0))?);
        if group == 0xFFFE {
            return Ok(Header {
                tag,
                vr: VR::UN,
                length: self.u32(tag)?,
            });
        }
        if !self.encoding.explicit {
            let vr = StandardDataDictionary
                .by_tag(tag)
                .map_or(VR::UN, |e| e.vr().relaxed());
            return Ok(Header {
                tag,
                vr,
                length: self.u32(tag)?,
            });
        }
        let vr = VR::from_binary(self.take(tag)?).unwrap_or(VR::UN);
        let short = matches!(
            vr,
            VR::AE
                | VR::AS
                | VR::AT
                | VR::CS
                | VR::DA
                | VR::DS
                | VR::DT
                | VR::FL
                | VR::FD
                | VR::IS
                | VR::LO
                | VR::LT
                | VR::PN
                | VR::SH
                | VR::SL
                | VR::SS
                | VR::ST
                | VR::TM
                | VR::UI
                | VR::UL
                | VR::US
        );
        let length = if short {
            self.u16(tag)?.into()
        } else {
            self.u16(tag)?;
            self.u32(tag)?
        };
        Ok(Header { tag, vr, length })
    }

    /// Steps over a value whose length is defined, which must lie before `end`.
    pub(super) fn skip(&mut self, header: &Header, end: usize) -> Result<(), DicomError> {
        let room = end.saturating_sub(self.at) as u64;
        if u64::from(header.length) > room {
            let element = super::tag_name(header.tag);
            return Err(DicomError::Truncated {
                element,
                expected: header.length.into(),
                found: room,
            });
        }
        self.at += header.length as usize;
        Ok(())
    }

    /// Walks the elements up to `end`, or up to an item delimiter when `delimited`.
    pub(super) fn data_set(
        &mut self,
        end: usize,
        delimited: bool,
        depth: usize,
    ) -> Result<(), DicomError> {
        while self.at < end {
            let start = self.at;
            let header = self.header()?;
            if header.tag == ITEM_END && delimited {
                return Ok(());
            }
            if header.tag.group() == 0xFFFE {
                return Err(DicomError::Structure {
                    element: super::tag_name(header.tag),
                });
            }
            if header.tag == tags::PIXEL_DATA && header.length == UNDEFINED {
                self.fragments(end)?;
            } else if self.encoding.explicit && header.vr == VR::UN && header.length == UNDEFINED {
                self.unknown_sequence(&header, start, end, depth)?;
            } else if header.vr == VR::SQ || header.length == UNDEFINED {
                self.sequence(&header, end, depth)?;
            } else {
                self.skip(&header, end)?;
                // The parser reads whole numbers only, and would take what is left of this one for a header.
                let whole = header.length % number_bytes(header.vr) == 0;
                if !whole && self.at < self.bytes.len() {
                    return Err(DicomError::Structure {
                        element: super::tag_name(header.tag),
                    });
                }
            }
        }
        if delimited {
            return Err(DicomError::Truncated {
                element: "the end of an item".into(),
                expected: 8,
                found: 0,
            });
        }
        Ok(())
    }

    /// Steps over a sequence of unknown type and marks it to be cut out.
    fn unknown_sequence(
        &mut self,
        header: &Header,
        start: usize,
        end: usize,
        depth: usize,
    ) -> Result<(), DicomError> {
        if self.rigid > 0 {
            // Cutting it would falsify the length of what surrounds it.
            return Err(DicomError::Structure {
                element: super::tag_name(header.tag),
            });
        }
        let outside = self.encoding;
        self.encoding = Encoding {
            explicit: false,
            big_endian: false,
        };
        self.sequence(header, end, depth)?;
        self.encoding = outside;
        self.cuts.push((start..self.at, header.tag));
        Ok(())
    }

    fn sequence(&mut self, header: &Header, end: usize, depth: usize) -> Result<(), DicomError> {
        if depth >= DEPTH_MAX {
            return Err(DicomError::TooDeep {
                element: super::tag_name(header.tag),
                max: DEPTH_MAX,
            });
        }
        let end = self.inner_end(header, end)?;
        let rigid = self.rigid + usize::from(header.length != UNDEFINED);
        self.rigid = rigid;
        while self.at < end {
            let item = self.header()?;
            match item.tag {
                ITEM => {
                    let item_end = self.inner_end(&item, end)?;
                    self.rigid = rigid + usize::from(item.length != UNDEFINED);
                    self.data_set(item_end, item.length == UNDEFINED, depth + 1)?;
                    self.rigid = rigid;
                }
                SEQUENCE_END if header.length == UNDEFINED => return Ok(()),
                tag => {
                    return Err(DicomError::Structure {
                        element: super::tag_name(tag),
                    });
                }
            }
        }
        if header.length == UNDEFINED {
            return Err(DicomError::Truncated {
                element: super::tag_name(header.tag),
                expected: 8,
                found: 0,
            });
        }
        self.rigid = rigid - 1;
        Ok(())
    }

    /// The end of what a header opens: its own, or that of what it lies in.
    fn inner_end(&self, header: &Header, end: usize) -> Result<usize, DicomError> {
        if header.length == UNDEFINED {
            return Ok(end);
        }
        let room = end.saturating_sub(self.at) as u64;
        if u64::from(header.length) > room {
            let element = super::tag_name(header.tag);
            return Err(DicomError::Truncated {
                element,
                expected: header.length.into(),
                found: room,
            });
        }
        Ok(self.at + header.length as usize)
    }

    fn fragments(&mut self, end: usize) -> Result<(), DicomError> {
        while self.at < end {
            let item = self.header()?;
            match item.tag {
                ITEM if item.length != UNDEFINED => self.skip(&item, end)?,
                SEQUENCE_END => return Ok(()),
                tag => {
                    return Err(DicomError::Structure {
                        element: super::tag_name(tag),
                    });
                }
            }
        }
        Err(DicomError::Truncated {
            element: super::tag_name(tags::PIXEL_DATA),
            expected: 8,
            found: 0,
        })
    }
}

//! Why a DICOM input was refused. Every variant that is about slices names them.

use crate::error::VolumeError;
use std::fmt;

/// Names that a message lists before it says how many more there are.
const NAMES_SHOWN_MAX: usize = 12;

/// A list of files or frames for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.len().min(NAMES_SHOWN_MAX);
        f.write_str(&self.0[..shown].join(", "))?;
        match self.0.len() - shown {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// One series of an input that holds several: what a client needs to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesEntry {
    /// SeriesInstanceUID.
    pub uid: String,
    /// Modality, empty when the files do not say.
    pub modality: String,
    /// Files of the series.
    pub files: usize,
}

/// A list of series for a message.
struct SeriesList<'a>(&'a [SeriesEntry]);

impl fmt::Display for SeriesList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, s) in self.0.iter().enumerate().take(NAMES_SHOWN_MAX) {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{} ({} {} files)", s.uid, s.modality, s.files)?;
        }
        match self.0.len().saturating_sub(NAMES_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Why a DICOM input was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DicomError {
    /// Something is wrong with one file.
    #[error("{file}")]
    InFile {
        /// Its name.
        file: String,
        /// What.
        #[source]
        source: Box<DicomError>,
    },
    /// No `DICM` after 128 bytes.
    #[error("not a DICOM file")]
    NotDicom,
    /// A value is longer than the file or the item it lies in.
    #[error("cut short at {element}: {expected} bytes expected, {found} found")]
    Truncated {
        /// Keyword of the element.
        element: String,
        /// Bytes declared.
        expected: u64,
        /// Bytes there.
        found: u64,
    },
    /// A delimiter or item where none can be.
    #[error("broken structure at {element}")]
    Structure {
        /// Keyword or number of the element.
        element: String,
    },
    /// Sequences nested beyond any real file.
    #[error("{element} is nested more than {max} sequences deep")]
    TooDeep {
        /// Keyword of the element.
        element: String,
        /// The limit.
        max: usize,
    },
    /// More elements than any real file.
    #[error("more than {max} data elements")]
    TooManyElements {
        /// The limit.
        max: usize,
    },
    /// Larger than the caller's limit.
    #[error("{what} is larger than the limit of {max}")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// The limit, in the unit of the part.
        max: u64,
    },
    /// More files than the caller's limit.
    #[error("{files} files are more than the limit of {max}")]
    TooManyFiles {
        /// Files given.
        files: usize,
        /// The limit.
        max: usize,
    },
    /// A coding that is not decoded here.
    #[error("transfer syntax {name} ({uid}) is not supported")]
    TransferSyntax {
        /// Its name in the standard.
        name: String,
        /// Its UID.
        uid: String,
    },
    /// The deflated data set is damaged.
    #[error("the deflated data set is damaged")]
    Deflate(#[source] std::io::Error),
    /// The data set could not be parsed.
    #[error("the data set cannot be parsed")]
    Parse(#[source] Box<dicom::object::ReadError>),
    /// An object could not be written.
    #[error("the data set cannot be written")]
    Write(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An attribute that is needed is missing or empty.
    #[error("{element} is missing")]
    Missing {
        /// Its keyword.
        element: String,
    },
    /// An attribute has a value that makes no sense.
    #[error("{element} = {value:?}: {reason}")]
    Value {
        /// Its keyword.
        element: String,
        /// The value as read.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An object without pixels among the slices.
    #[error("the object holds no pixels ({class})")]
    NoPixels {
        /// Its SOP class UID.
        class: String,
    },
    /// Pixels that are not one number each.
    #[error("{photometric} images with {samples} samples a pixel are not scans")]
    NotGrey {
        /// PhotometricInterpretation.
        photometric: String,
        /// SamplesPerPixel.
        samples: u32,
    },
    /// Compressed pixels that do not decode to the declared frame.
    #[error("the {codec} pixels of frame {frame} do not decode: {reason}")]
    Decode {
        /// The coding.
        codec: &'static str,
        /// Frame number from 1.
        frame: u32,
        /// What went wrong.
        reason: String,
    },
    /// No file at all.
    #[error("the input holds no slices")]
    Empty,
    /// Several series and no choice made.
    #[error("the input holds several series, choose one: {}", SeriesList(.0))]
    SeveralSeries(Vec<SeriesEntry>),
    /// The chosen series is not in the input.
    #[error("series {uid} is not in the input, which holds {}", SeriesList(.found))]
    NoSuchSeries {
        /// The client's choice.
        uid: String,
        /// What is there.
        found: Vec<SeriesEntry>,
    },
    /// Slices that say nothing of where they lie.
    #[error("no position, orientation or pixel spacing in {slices}: {element} is missing")]
    MissingGeometry {
        /// Keyword of the first attribute that is missing.
        element: &'static str,
        /// The slices.
        slices: Names,
    },
    /// Slices that differ from most of their series.
    #[error("mixed {what} in one series: different in {slices}")]
    Mixed {
        /// orientation, size, pixel spacing, frame of reference.
        what: &'static str,
        /// The slices that are in the minority.
        slices: Names,
    },
    /// Several slices at one place.
    #[error("several slices at the same position: {slices}")]
    Duplicates {
        /// The slices.
        slices: Names,
    },
    /// Missing slices.
    #[error("slices are missing (spacing {spacing_mm:.3} mm): {}", gap_list(.gaps))]
    Gaps {
        /// Spacing of the series in millimetres.
        spacing_mm: f64,
        /// Slice before, slice after, distance in millimetres.
        gaps: Vec<(String, String, f64)>,
    },
    /// Slices that do not lie on one straight line.
    #[error("slices shifted sideways against the rest of the series: {slices}")]
    Shifted {
        /// The slices.
        slices: Names,
    },
    /// Attributes that name the patient are still there.
    #[error("the study still identifies its patient: {file} holds {elements}")]
    Identified {
        /// The first such file.
        file: String,
        /// Keywords of the attributes.
        elements: Names,
    },
    /// A result that refers to an object of another study.
    #[error("{element} = {uid} is of no object of this study")]
    Foreign {
        /// Keyword of the element.
        element: String,
        /// The UID.
        uid: String,
    },
    /// The system gave no random numbers.
    #[error("no random numbers for new UIDs")]
    Random(#[source] getrandom::Error),
    /// Text may be burned into the pixels.
    #[error("BurnedInAnnotation is YES: the pixels may show the patient's name")]
    BurnedIn,
    /// The volume could not be placed in space.
    #[error("the series cannot be placed in space")]
    Volume(#[source] VolumeError),
}

fn gap_list(gaps: &[(String, String, f64)]) -> Names {
    Names(
        gaps.iter()
            .map(|(a, b, mm)| format!("{mm:.3} mm between {a} and {b}"))
            .collect(),
    )
}

/// Says in which file an error happened.
pub(crate) trait InFile<T> {
    /// Wraps the error with the file's name.
    fn in_file(self, name: &str) -> Result<T, DicomError>;
}

impl<T> InFile<T> for Result<T, DicomError> {
    fn in_file(self, name: &str) -> Self {
        self.map_err(|e| match e {
            named @ DicomError::InFile { .. } => named,
            other => DicomError::InFile {
                file: name.to_owned(),
                source: Box::new(other),
            },
        })
    }
}

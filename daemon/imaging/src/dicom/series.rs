//! From the files of an input to one volume.

use super::error::{InFile, Names, SeriesEntry};
use super::file::DicomFile;
use super::slice::{Place, Slice};
use super::{DicomError, geometry, pixels, slice};
use crate::affine::Vec3;
use crate::load::LoadOptions;
use crate::volume::{Rescale, Source, Volume, Voxels, each_type};
use dicom::dictionary_std::{tags, uids};
use rayon::prelude::*;

/// One slice of the series as others refer to it.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceRef {
    /// SOPInstanceUID of its object.
    pub instance_uid: String,
    /// Frame number from 1.
    pub frame: u32,
    /// ImagePositionPatient: centre of the first voxel, LPS, millimetres.
    pub position: Vec3,
}

/// The series that a volume was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesSource {
    /// StudyInstanceUID.
    pub study_uid: String,
    /// SeriesInstanceUID.
    pub series_uid: String,
    /// FrameOfReferenceUID, where the files say one.
    pub frame_of_reference_uid: Option<String>,
    /// SOPClassUID.
    pub class_uid: String,
    /// Whether the pixels went through a lossy compression at any time, as far as the files say.
    pub lossy: bool,
    /// ImageOrientationPatient: directions of rows and of columns, LPS.
    pub orientation: [f64; 6],
    /// PixelSpacing: millimetres between rows, between columns.
    pub pixel_spacing: [f64; 2],
    /// SliceThickness in millimetres, where the first slice says one.
    pub thickness: Option<f64>,
    /// The slices in the order of the volume's z axis.
    pub slices: Vec<SliceRef>,
}

/// Reads the series that `options` chooses, or the only one there is.
///
/// # Errors
/// [`DicomError`], naming files and slices.
pub(crate) fn read(
    files: &[(String, Vec<u8>)],
    options: &LoadOptions,
) -> Result<Volume, DicomError> {
    let limits = &options.limits;
    if files.len() > limits.files_max {
        return Err(DicomError::TooManyFiles {
            files: files.len(),
            max: limits.files_max,
        });
    }
    let parsed: Vec<DicomFile> = files
        .par_iter()
        .map(|(name, bytes)| DicomFile::parse(name, bytes, limits))
        .collect::<Result<_, _>>()?;
    if options.refuse_identified {
        for file in &parsed {
            let elements = crate::deid::identifying(file);
            if !elements.is_empty() {
                return Err(DicomError::Identified {
                    file: file.name.clone(),
                    elements: Names(elements),
                });
            }
        }
    }
    let chosen = choose(parsed, options.series.as_deref())?;
    let mut slices = Vec::new();
    for (index, file) in chosen.iter().enumerate() {
        slices.extend(slice::slices(index, file).in_file(&file.name)?);
    }
    let (slices, lps) = geometry::arrange(slices, options.gap_tolerance)?;
    let first = slices.first().ok_or(DicomError::Empty)?;
    let dims = [
        first.layout.columns.into(),
        first.layout.rows.into(),
        slices.len(),
    ];
    let voxel_count = dims.iter().map(|&d| d as u64).product::<u64>();
    if voxel_count > limits.voxels_max || voxel_count * 4 > limits.bytes_max {
        return Err(DicomError::TooLarge {
            what: "the volume (in voxels)",
            max: limits.voxels_max.min(limits.bytes_max / 4),
        });
    }
    let (voxels, rescale) = voxels(&chosen, &slices, options.invert_monochrome1)?;
    let volume = Volume::new(voxels, rescale, dims, lps.ras_lps()).map_err(DicomError::Volume)?;
    let source = source(&chosen, &slices)?;
    Ok(volume.with_source(
        chosen[0].text(tags::MODALITY),
        Source::Dicom(Box::new(source)),
    ))
}

/// The files of one series. A DICOMDIR is an index, not a slice, and is passed over.
fn choose(files: Vec<DicomFile>, wanted: Option<&str>) -> Result<Vec<DicomFile>, DicomError> {
    let mut found: Vec<SeriesEntry> = Vec::new();
    let mut members: Vec<(usize, DicomFile)> = Vec::new();
    for file in files {
        if file.text(tags::SOP_CLASS_UID).as_deref() == Some(uids::MEDIA_STORAGE_DIRECTORY_STORAGE)
            || is_directory(&file)
        {
            continue;
        }
        let uid = file.text(tags::SERIES_INSTANCE_UID);
        let uid = uid
            .ok_or(DicomError::Missing {
                element: "SeriesInstanceUID".into(),
            })
            .in_file(&file.name)?;
        let index = found.iter().position(|s| s.uid == uid).unwrap_or_else(|| {
            found.push(SeriesEntry {
                uid,
                modality: file.text(tags::MODALITY).unwrap_or_default(),
                files: 0,
            });
            found.len() - 1
        });
        found[index].files += 1;
        members.push((index, file));
    }
    let index = match wanted {
        Some(uid) => match found.iter().position(|s| s.uid == uid) {
            Some(index) => index,
            None => {
                return Err(DicomError::NoSuchSeries {
                    uid: uid.to_owned(),
                    found,
                });
            }
        },
        None if found.len() > 1 => return Err(DicomError::SeveralSeries(found)),
        None => 0,
    };
    let chosen: Vec<DicomFile> = members
        .into_iter()
        .filter(|(i, _)| *i == index)
        .map(|(_, file)| file)
        .collect();
    if chosen.is_empty() {
        Err(DicomError::Empty)
    } else {
        Ok(chosen)
    }
}

/// A DICOMDIR's data set has no SOP class; its records give it away.
fn is_directory(file: &DicomFile) -> bool {
    file.object.get(tags::DIRECTORY_RECORD_SEQUENCE).is_some()
}

/// Decodes all slices in order. One rescale for all keeps the stored type; several make an f32 volume of the scanner's
/// values.
fn voxels(
    files: &[DicomFile],
    slices: &[Slice],
    invert: bool,
) -> Result<(Voxels, Rescale), DicomError> {
    let frames: Vec<Voxels> = slices
        .par_iter()
        .map(|s| {
            pixels::decode(&files[s.file], &s.layout, s.frame, invert).in_file(&files[s.file].name)
        })
        .collect::<Result<_, _>>()?;
    let rescale = slices[0].rescale;
    let uniform = slices.iter().all(|s| s.rescale == rescale);
    if uniform && let Some(joined) = join(&frames) {
        return Ok((joined, rescale));
    }
    let mut values = Vec::with_capacity(frames.iter().map(Voxels::len).sum());
    for (frame, slice) in frames.iter().zip(slices) {
        #[allow(
            clippy::unnecessary_cast,
            reason = "one of the eight types is f64 already"
        )]
        {
            each_type!(frame, v => values.extend(v.iter().map(|&x| slice.rescale.apply(x as f64) as f32)));
        }
    }
    Ok((Voxels::F32(values), Rescale::IDENTITY))
}

/// Joins frames of one type; `None` when the types differ.
pub(super) fn join(frames: &[Voxels]) -> Option<Voxels> {
    macro_rules! join_as {
        ($variant:ident) => {{
            let parts: Option<Vec<&[_]>> = frames
                .iter()
                .map(|f| {
                    if let Voxels::$variant(v) = f {
                        Some(&v[..])
                    } else {
                        None
                    }
                })
                .collect();
            parts.map(|p| Voxels::$variant(p.concat()))
        }};
    }
    match frames.first()? {
        Voxels::U8(_) => join_as!(U8),
        Voxels::I8(_) => join_as!(I8),
        Voxels::U16(_) => join_as!(U16),
        Voxels::I16(_) => join_as!(I16),
        Voxels::U32(_) => join_as!(U32),
        Voxels::I32(_) => join_as!(I32),
        Voxels::F32(_) => join_as!(F32),
        Voxels::F64(_) => join_as!(F64),
    }
}

fn source(files: &[DicomFile], slices: &[Slice]) -> Result<SeriesSource, DicomError> {
    let need = |file: &DicomFile, tag| {
        file.text(tag)
            .ok_or(DicomError::Missing {
                element: super::tag_name(tag),
            })
            .in_file(&file.name)
    };
    let frame_of_reference_uid = files[0].text(tags::FRAME_OF_REFERENCE_UID);
    let strangers: Vec<String> = files
        .iter()
        .filter(|f| f.text(tags::FRAME_OF_REFERENCE_UID) != frame_of_reference_uid)
        .map(|f| f.name.clone())
        .collect();
    if !strangers.is_empty() {
        return Err(DicomError::Mixed {
            what: "frames of reference",
            slices: Names(strangers),
        });
    }
    let first = place(&slices[0])?;
    let (r, c) = (first.along_row, first.along_column);
    Ok(SeriesSource {
        study_uid: need(&files[0], tags::STUDY_INSTANCE_UID)?,
        series_uid: need(&files[0], tags::SERIES_INSTANCE_UID)?,
        frame_of_reference_uid,
        class_uid: need(&files[0], tags::SOP_CLASS_UID)?,
        lossy: files.iter().any(is_lossy),
        orientation: [r[0], r[1], r[2], c[0], c[1], c[2]],
        pixel_spacing: first.pixel_spacing,
        thickness: slices[0].thickness,
        slices: slices
            .iter()
            .map(|s| {
                let instance_uid = need(&files[s.file], tags::SOP_INSTANCE_UID)?;
                Ok(SliceRef {
                    instance_uid,
                    frame: s.frame + 1,
                    position: place(s)?.position,
                })
            })
            .collect::<Result<_, DicomError>>()?,
    })
}

/// Where a slice lies; the slices without a place were refused before.
fn place(slice: &Slice) -> Result<Place, DicomError> {
    slice.place.map_err(|element| DicomError::MissingGeometry {
        element,
        slices: Names(vec![slice.label.clone()]),
    })
}

/// By the attribute that says so; where it says nothing, by a transfer syntax that is lossy or may be.
pub(super) fn is_lossy(file: &DicomFile) -> bool {
    let said = file.text(tags::LOSSY_IMAGE_COMPRESSION);
    match &file.syntax[..] {
        uids::JPEG_BASELINE8_BIT | uids::JPEG_EXTENDED12_BIT => true,
        uids::JPEGLS_NEAR_LOSSLESS | uids::JPEG2000 => said.as_deref() != Some("00"),
        _ => said.as_deref() == Some("01"),
    }
}

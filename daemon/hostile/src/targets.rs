//! The decoders as functions of bytes. Each says whether it took the input; none may panic, whatever comes, nor take
//! memory that the input does not pay for.

use std::sync::OnceLock;

use swarm_imaging::deid::is_identified;
use swarm_imaging::dicom::seg;
use swarm_imaging::nifti::scrub;
use swarm_imaging::{Limits, LoadOptions, UidMap, deidentify, load, unzip};
use swarm_package::{Package, npy, read_tar, write_tar};
use swarm_store::{age, archive, cid};
use swarm_types::api;
use swarm_types::bundle;

use crate::samples;

/// Limits that a lying header would break at once.
fn tight() -> LoadOptions {
    let limits = Limits {
        voxels_max: 1 << 16,
        bytes_max: 1 << 20,
        files_max: 16,
    };
    LoadOptions {
        limits,
        ..LoadOptions::default()
    }
}

fn scan(bytes: &[u8]) -> bool {
    let files = [("scan".to_owned(), bytes.to_vec())];
    match load(&files, &tight()) {
        Ok(volume) => {
            assert_eq!(
                volume.voxels().len(),
                volume.dims().iter().product::<usize>()
            );
            volume.affine().validate().expect("a volume is in space");
            true
        }
        Err(error) => {
            assert!(!error.explain().is_empty());
            false
        }
    }
}

/// A DICOM file: read, asked for identity, de-identified.
pub fn dicom(bytes: &[u8]) -> bool {
    let _ = is_identified("scan", bytes, &tight().limits);
    let files = [("scan".to_owned(), bytes.to_vec())];
    let _ = deidentify(&files, &mut UidMap::default(), false, &tight().limits);
    scan(bytes)
}

/// A NIfTI file, compressed or not: read and scrubbed.
pub fn nifti(bytes: &[u8]) -> bool {
    let _ = scrub(bytes, &tight().limits);
    scan(bytes)
}

/// A JPEG 2000 frame in a slice.
pub fn jpeg2000(bytes: &[u8]) -> bool {
    scan(&samples::slice_of(bytes, "1.2.840.10008.1.2.4.90"))
}

/// A lossless JPEG frame in a slice.
pub fn jpeg(bytes: &[u8]) -> bool {
    scan(&samples::slice_of(bytes, "1.2.840.10008.1.2.4.70"))
}

/// A JPEG-LS frame in a slice.
pub fn jpegls(bytes: &[u8]) -> bool {
    scan(&samples::slice_of(bytes, "1.2.840.10008.1.2.4.80"))
}

/// A zip archive of scans; what comes out of it has plain paths, within the limits.
pub fn zip(bytes: &[u8]) -> bool {
    let limits = tight().limits;
    if let Ok(files) = unzip(vec![("scan.zip".to_owned(), bytes.to_vec())], &limits) {
        let total: u64 = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        assert!(
            files.len() <= limits.files_max && total <= limits.bytes_max.max(bytes.len() as u64)
        );
        // Bytes that do not begin like an archive come back as they are.
        let whole = files.len() == 1 && files[0].1 == bytes;
        let plain = |name: &str| !name.starts_with('/') && name.split('/').all(|part| part != "..");
        assert!(whole || files.iter().all(|(name, _)| plain(name)));
    }
    scan(bytes)
}

/// A segmentation as a bee may send it: what is attached is of this study and names no other patient.
pub fn segmentation(bytes: &[u8]) -> bool {
    static MAP: OnceLock<UidMap> = OnceLock::new();
    let map = MAP.get_or_init(|| samples::segmentation().1);
    let (nobody, limits) = (seg::PatientStudy::default(), tight().limits);
    let attached = seg::attach(
        "mask.dcm",
        bytes,
        map,
        &nobody,
        seg::Completed(u64::MAX),
        &limits,
    );
    if let Ok(whole) = &attached {
        let patient = seg::patient_study("mask.patient.dcm", whole, &limits);
        assert_eq!(patient.expect("our own file is readable"), nobody);
    }
    attached.is_ok()
}

/// An input's tar; what comes out has safe paths, packs again, and has a manifest.
pub fn tar(bytes: &[u8]) -> bool {
    let limits = archive::ArchiveLimits {
        files_max: 64,
        bytes_max: 1 << 20,
    };
    let Ok(files) = archive::unpack(bytes, &limits) else {
        return false;
    };
    let packed = archive::pack(&files).expect("what was unpacked can be packed");
    let again = archive::unpack(&packed, &limits).expect("and unpacked");
    assert_eq!(*again, *files);
    swarm_types::digest::input_digest(&files);
    cid::of_directory(
        files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice())),
    );
    true
}

/// An age file for [`samples::identity`]; what decrypts is what was encrypted, or nothing.
pub fn age(bytes: &[u8]) -> bool {
    age::decrypt(bytes, &samples::identity(), 1 << 20).is_ok()
}

/// A model package as a tar: what the queen receives and a bee pulls. What is taken is packed anew as the same model.
pub fn package(bytes: &[u8]) -> bool {
    let Ok(files) = read_tar(bytes) else {
        return false;
    };
    let mut packed = Vec::new();
    write_tar(&files, &mut packed).expect("what was read can be packed");
    let Ok(package) = Package::from_files(files) else {
        return false;
    };
    let again = Package::from_tar(&packed[..]).expect("and read");
    assert_eq!(again.digest(), package.digest());
    assert_eq!(again.head(), package.head());
    true
}

/// An array of a tensor job; what is read is written as the same array.
pub fn npy(bytes: &[u8]) -> bool {
    let Ok(array) = npy::read(bytes) else {
        return false;
    };
    assert_eq!(array.values.len(), array.shape.iter().product::<usize>());
    let again = npy::read(&npy::write(&array)).expect("our own file is readable");
    assert_eq!(again.shape, array.shape);
    let bits = |array: &npy::Array| array.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&again), bits(&array));
    true
}

/// A network in a package whose other files are sound.
pub fn onnx(bytes: &[u8]) -> bool {
    package(&samples::package(samples::MODEL_TOML.as_bytes(), bytes))
}

/// A `model.toml` in a package whose other files are sound.
pub fn spec(bytes: &[u8]) -> bool {
    package(&samples::package(bytes, &samples::onnx()))
}

/// Every message of the API. What is read can be written and read again.
pub fn message(bytes: &[u8]) -> bool {
    let mut taken = false;
    macro_rules! each {
        ($($type:ty),*) => {$(
            if let Ok(message) = serde_json::from_slice::<$type>(bytes) {
                let text = serde_json::to_vec(&message).expect("a message is JSON");
                assert_eq!(serde_json::from_slice::<$type>(&text).expect("reads its own text"), message);
                taken = true;
            }
        )*};
    }
    each!(
        api::SubmitJob,
        api::CompleteJob,
        api::RegisterWorker,
        api::Heartbeat,
        api::LeaseRequest,
        api::JobProgress,
        api::FailJob,
        api::QuoteRequest,
        api::BlobUpload,
        api::ApproveWorker,
        api::DrainWorker,
        api::TopUp,
        api::Webhook,
        api::ModelInfo,
        api::ModelDetail,
        api::Inference,
        api::Job,
        api::Lease,
        api::Registered,
        api::HeartbeatAnswer,
        api::JobResult,
        api::ReceiptProof,
        swarm_types::problem::Problem
    );
    // Its data may hold a float, which need not come back to the last digit.
    taken |= serde_json::from_slice::<api::Event>(bytes).is_ok();
    taken
}

/// Ids, amounts, numbers, signatures, keys, SIGNATURE.txt. What is read prints as one text that reads the same.
pub fn text(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let mut taken = false;
    macro_rules! each {
        ($($type:ty),*) => {$(
            if let Ok(value) = text.parse::<$type>() {
                assert_eq!(value.to_string().parse::<$type>().expect("reads its own text"), value);
                taken = true;
            }
        )*};
    }
    each!(
        swarm_types::JobId,
        swarm_types::EpochId,
        swarm_types::MicroUsdc,
        swarm_types::Signature65,
        swarm_types::Address,
        swarm_types::B256,
        age::Recipient,
        api::JobStatus,
        api::EpochStatus
    );
    if let Some(number) = swarm_types::dec::parse(text) {
        assert_eq!(number.to_string(), text);
        taken = true;
    }
    if let Some(signatures) = bundle::parse_signature_file(text) {
        assert_eq!(bundle::signature_file(&signatures), text);
        taken = true;
    }
    let _ = swarm_types::Signature65::normalise(bytes);
    taken | text.parse::<age::Identity>().is_ok()
}

/// A bundle whose file number `which` is `bytes`.
pub fn bundle(which: usize, bytes: &[u8]) -> Result<(), bundle::BundleError> {
    let (changed, _) = samples::BUNDLE[which % samples::BUNDLE.len()];
    let file = |name: &str| {
        let found = samples::BUNDLE.iter().find(|(file, _)| *file == name);
        found.map(|(_, whole)| {
            if name == changed {
                bytes.to_vec()
            } else {
                whole.to_vec()
            }
        })
    };
    bundle::verify(file).map(drop)
}

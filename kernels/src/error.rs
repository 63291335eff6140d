use thiserror::Error;

/// Why an operation refused its input.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum KernelError {
    /// The dims have a zero or more voxels than [`crate::grid::VOXELS_MAX`].
    #[error("a volume of {dims:?} voxels is empty or larger than {max} voxels", max = crate::grid::VOXELS_MAX)]
    Dims {
        /// Voxels along x, y, z.
        dims: [usize; 3],
    },
    /// The affine has a value that is not finite, or its axes do not span space.
    #[error("the affine cannot place voxels in space: {affine:?}")]
    Affine {
        /// The offending matrix.
        affine: Box<crate::Affine>,
    },
    /// The number of voxels does not fit the dims.
    #[error("{voxels} voxels were given for dims {dims:?}")]
    Length {
        /// How many there are.
        voxels: usize,
        /// What the dims ask for.
        dims: [usize; 3],
    },
    /// Volumes that must share dims do not.
    #[error("dims {left:?} and {right:?} differ")]
    Mismatch {
        /// One volume's dims.
        left: [usize; 3],
        /// The other's.
        right: [usize; 3],
    },
    /// A parameter is outside what the operation is defined for.
    #[error("{name} is {value}: {rule}")]
    Parameter {
        /// The parameter's name as in a model package.
        name: &'static str,
        /// Its value, printed.
        value: String,
        /// What it must satisfy.
        rule: &'static str,
    },
    /// No voxel is above zero, so there is nothing to crop to.
    #[error("the volume has no foreground: no voxel is above 0")]
    NoForeground,
    /// A voxel is NaN or infinite where the operation needs numbers.
    #[error("the volume has voxels that are not finite numbers")]
    NotFinite,
}

//! 3x3 matrices in f64, as much as geometry needs.

/// Row-major 3x3 matrix.
pub(crate) type Mat3 = [[f64; 3]; 3];

/// Steps of Higham's iteration; it converges quadratically, so ten are plenty for any sane affine.
const POLAR_STEPS_MAX: usize = 100;

pub(crate) fn multiply(a: &Mat3, b: &Mat3) -> Mat3 {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

pub(crate) fn apply(a: &Mat3, v: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|i| (0..3).map(|k| a[i][k] * v[k]).sum())
}

pub(crate) fn transpose(a: &Mat3) -> Mat3 {
    std::array::from_fn(|i| std::array::from_fn(|j| a[j][i]))
}

pub(crate) fn determinant(m: &Mat3) -> f64 {
    m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
}

/// Inverse of a matrix whose determinant is not 0.
pub(crate) fn invert(m: &Mat3) -> Mat3 {
    let scale = 1.0 / determinant(m);
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let (a, b) = ((j + 1) % 3, (j + 2) % 3);
            let (c, d) = ((i + 1) % 3, (i + 2) % 3);
            (m[a][c] * m[b][d] - m[a][d] * m[b][c]) * scale
        })
    })
}

/// Euclidean length of each column: the voxel size of an affine.
pub(crate) fn column_norms(m: &Mat3) -> [f64; 3] {
    std::array::from_fn(|j| (0..3).map(|i| m[i][j] * m[i][j]).sum::<f64>().sqrt())
}

/// The orthogonal factor of the polar decomposition (U V^T of the SVD), by Higham's iteration
/// R <- (R + R^-T) / 2.
pub(crate) fn polar(m: &Mat3) -> Mat3 {
    let mut r = *m;
    for _ in 0..POLAR_STEPS_MAX {
        let inverse_transposed = transpose(&invert(&r));
        let next: Mat3 = std::array::from_fn(|i| {
            std::array::from_fn(|j| 0.5 * (r[i][j] + inverse_transposed[i][j]))
        });
        let change: f64 = (0..9)
            .map(|k| (next[k / 3][k % 3] - r[k / 3][k % 3]).abs())
            .fold(0.0, f64::max);
        r = next;
        if change < 1e-15 {
            break;
        }
    }
    r
}

/// The upper triangular U with positive diagonal and U^T U = m, of a symmetric positive definite m.
pub(crate) fn cholesky_upper(m: &Mat3) -> Mat3 {
    let mut l = [[0.0; 3]; 3];
    for i in 0..3 {
        for j in 0..=i {
            let rest: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
            l[i][j] = if i == j {
                (m[i][i] - rest).sqrt()
            } else {
                (m[i][j] - rest) / l[j][j]
            };
        }
    }
    transpose(&l)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: &Mat3, b: &Mat3) {
        for k in 0..9 {
            assert!(
                (a[k / 3][k % 3] - b[k / 3][k % 3]).abs() < 1e-12,
                "{a:?} {b:?}"
            );
        }
    }

    const IDENTITY: Mat3 = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    const SKEW: Mat3 = [[-0.9, 0.1, 0.2], [0.05, 1.1, -0.3], [0.0, 0.4, 2.5]];

    #[test]
    fn inverse_times_matrix_is_identity() {
        close(&multiply(&SKEW, &invert(&SKEW)), &IDENTITY);
    }

    #[test]
    fn polar_factor_is_orthogonal_and_leaves_a_symmetric_rest() {
        let r = polar(&SKEW);
        close(&multiply(&r, &transpose(&r)), &IDENTITY);
        let stretch = multiply(&transpose(&r), &SKEW);
        close(&stretch, &transpose(&stretch));
    }

    #[test]
    fn cholesky_squares_back() {
        let gram = multiply(&transpose(&SKEW), &SKEW);
        let u = cholesky_upper(&gram);
        close(&multiply(&transpose(&u), &u), &gram);
        assert_eq!([u[1][0], u[2][0], u[2][1]], [0.0; 3]);
    }
}

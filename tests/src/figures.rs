//! Figures of benchmarks.

/// The value in the middle; of none, zero.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// From the smallest to the largest, as a part of the value in the middle; of none, zero.
pub fn spread(values: &[f64]) -> f64 {
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match median(values.to_vec()) {
        0.0 => 0.0,
        middle => (largest - smallest) / middle.abs(),
    }
}

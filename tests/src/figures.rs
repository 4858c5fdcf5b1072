//! Figures of benchmarks.

/// The value in the middle; of none, zero.
pub fn median(values: Vec<f64>) -> f64 {
    quantile(&sorted(values), 0.5)
}

/// The interquartile range of the values, as a fraction of their median; zero for no values. A round that something
/// else disturbed does not widen it, a measurement that jumps does.
pub fn spread(values: &[f64]) -> f64 {
    let (low, high) = middle_half(values);
    match median(values.to_vec()) {
        0.0 => 0.0,
        middle => (high - low) / middle.abs(),
    }
}

/// Between these two lies half of the values, with as many below as above.
pub fn middle_half(values: &[f64]) -> (f64, f64) {
    let sorted = sorted(values.to_vec());
    (quantile(&sorted, 0.25), quantile(&sorted, 0.75))
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// Between two values, the way is divided.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = part * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disturbed_round_changes_neither_the_middle_nor_the_spread() {
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0, 900.0]), 3.0);
        assert_eq!(spread(&[4.0, 1.0, 3.0, 2.0, 900.0]), 2.0 / 3.0);
    }

    #[test]
    fn few_values_have_a_middle() {
        assert_eq!(median(vec![]), 0.0);
        assert_eq!(spread(&[]), 0.0);
        assert_eq!((median(vec![7.0]), spread(&[7.0])), (7.0, 0.0));
        assert_eq!(median(vec![1.0, 2.0]), 1.5);
        assert_eq!(middle_half(&[1.0, 2.0, 5.0]), (1.5, 3.5));
    }
}

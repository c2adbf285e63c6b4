use serde::{Deserialize, Serialize};

/// A straight line: what there is anyway, and what a thousand more add.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub base: f64,
    pub per_thousand: f64,
}

impl Line {
    /// The line with the least sum of squared distances. None through fewer than two different places.
    #[must_use]
    pub fn through(points: &[[f64; 2]]) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let count = points.len() as f64;
        let mean = |of: fn(&[f64; 2]) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (middle, height) = (mean(|[at, _]| *at), mean(|[_, value]| *value));
        let spread: f64 = points.iter().map(|[at, _]| (at - middle).powi(2)).sum();
        let together: f64 = points.iter().map(|[at, value]| (at - middle) * (value - height)).sum();
        let slope = together / spread;
        slope
            .is_finite()
            .then(|| Self { base: slope.mul_add(-middle, height), per_thousand: slope * 1000.0 })
    }

    /// Its height where there are `at`.
    #[must_use]
    pub fn at(self, at: f64) -> f64 {
        (self.per_thousand / 1000.0).mul_add(at, self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_on_a_line_give_the_line() {
        let line = Line::through(&[[100.0, 5.2], [1000.0, 7.0], [10_000.0, 25.0]]).unwrap();
        assert!(
            (line.base - 5.0).abs() < 1e-9 && (line.per_thousand - 2.0).abs() < 1e-9,
            "{line:?}"
        );
        assert!((line.at(500.0) - 6.0).abs() < 1e-9);
    }

    #[test]
    fn points_beside_a_line_pull_on_both_sides() {
        let line = Line::through(&[[0.0, 0.0], [1000.0, 3.0], [2000.0, 0.0]]).unwrap();
        assert!((line.base - 1.0).abs() < 1e-9 && line.per_thousand.abs() < 1e-9, "{line:?}");
    }

    #[test]
    fn one_place_gives_no_line() {
        assert_eq!(Line::through(&[[100.0, 1.0], [100.0, 2.0]]), None);
        assert_eq!(Line::through(&[]), None);
    }
}

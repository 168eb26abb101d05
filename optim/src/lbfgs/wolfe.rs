//! A line search for the strong Wolfe conditions, as in PyTorch's L-BFGS.

use super::{dot, largest};

/// How much of the fall that the slope promises is asked for.
const ENOUGH: f64 = 1e-4;
/// To what part the slope has to fall.
const FLATTER: f64 = 0.9;
/// The most evaluations but one.
const MOST: usize = 25;

/// A loss and its gradient.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub loss: f64,
    pub gradient: Vec<f64>,
}

impl Point {
    pub fn is_finite(&self) -> bool {
        self.loss.is_finite() && self.gradient.iter().all(|g| g.is_finite())
    }
}

/// A place on the line.
#[derive(Clone, Debug)]
struct Place {
    t: f64,
    slope: f64,
    point: Point,
}

/// The minimum, within bounds, of the cubic through two places.
fn cubic(a: &Place, b: &Place, [low, high]: [f64; 2]) -> f64 {
    let (f1, f2) = (a.point.loss, b.point.loss);
    let d1 = a.slope + b.slope - 3.0 * (f1 - f2) / (a.t - b.t);
    let square = d1 * d1 - a.slope * b.slope;
    if square < 0.0 || square.is_nan() {
        return (low + high) / 2.0;
    }
    let d2 = square.sqrt();
    let t = match a.t <= b.t {
        true => b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2)),
        false => a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2.0 * d2)),
    };
    if t.is_nan() { (low + high) / 2.0 } else { t.max(low).min(high) }
}

/// The best place found from `start`, whose slope along the direction is `slope`, with `t` tried first: its loss and
/// gradient, how far it is, and how many evaluations were needed. Always a finite one: `start`, if there is no other.
pub(super) fn strong_wolfe(
    go: &mut impl FnMut(f64) -> Point,
    t: f64,
    direction: &[f64],
    start: &Point,
    slope: f64,
    tolerance: f64,
) -> (Point, f64, usize) {
    let (mut evaluations, length) = (0, largest(direction.iter().copied()));
    let start = Place { t: 0.0, slope, point: start.clone() };
    let mut at = |t: f64, from: f64| {
        let mut t = t;
        loop {
            evaluations += 1;
            let point = go(t);
            // Too far: where the loss is not finite no cubic can be laid through it.
            if point.is_finite() || evaluations > 2 * MOST {
                return Place { t, slope: dot(&point.gradient, direction), point };
            }
            t = (t + from) / 2.0;
        }
    };
    let falls = |place: &Place| place.point.loss <= start.point.loss + ENOUGH * place.t * slope;
    let flat = |place: &Place| place.slope.abs() <= -FLATTER * slope;

    // Until a minimum must lie between two places.
    let (mut last, mut new, mut count) = (start.clone(), at(t, 0.0), 0);
    let mut bracket = loop {
        if count == MOST {
            break [start.clone(), new];
        }
        if !falls(&new) || (count > 1 && new.point.loss >= last.point.loss) {
            break [last, new];
        }
        if flat(&new) {
            return (new.point, new.t, evaluations);
        }
        if new.slope >= 0.0 {
            break [last, new];
        }
        let bounds = [new.t + 0.01 * (new.t - last.t), new.t * 10.0];
        let t = cubic(&last, &new, bounds);
        let from = new.t;
        last = std::mem::replace(&mut new, at(t, from));
        count += 1;
    };

    // Until a place between them is good enough; `low` is the better one.
    let better = |[a, b]: &[Place; 2]| usize::from(a.point.loss > b.point.loss);
    let (mut low, mut stuck) = (better(&bracket), false);
    while count < MOST {
        let ends = [bracket[0].t.min(bracket[1].t), bracket[0].t.max(bracket[1].t)];
        if (ends[1] - ends[0]) * length < tolerance {
            break;
        }
        let mut t = cubic(&bracket[0], &bracket[1], ends);
        // Too near to an end twice: away from it.
        let margin = 0.1 * (ends[1] - ends[0]);
        let is_near = (ends[1] - t).min(t - ends[0]) < margin;
        if is_near && (stuck || t >= ends[1] || t <= ends[0]) {
            let is_high = (t - ends[1]).abs() < (t - ends[0]).abs();
            t = if is_high { ends[1] - margin } else { ends[0] + margin };
            stuck = false;
        } else {
            stuck = is_near;
        }
        let new = at(t, bracket[low].t);
        count += 1;
        if !falls(&new) || new.point.loss >= bracket[low].point.loss {
            bracket[1 - low] = new;
            low = better(&bracket);
            continue;
        }
        let done = flat(&new);
        if !done && new.slope * (bracket[1 - low].t - bracket[low].t) >= 0.0 {
            bracket[1 - low] = bracket[low].clone();
        }
        bracket[low] = new;
        if done {
            break;
        }
    }
    let [a, b] = bracket;
    let best = if low == 0 { a } else { b };
    let best = if best.point.is_finite() { best } else { start };
    (best.point, best.t, evaluations)
}

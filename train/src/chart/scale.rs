//! From values to places along an axis, and the round values that are marked there.

/// A tick: its place from 0 to 1, and its label.
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

/// An axis from `low` to `high`, which are decimal logarithms or multiples of `unit`, the largest
/// magnitude, so that no difference overflows.
pub(super) struct Scale {
    log: bool,
    /// All values are whole numbers, of epochs say, and ticks between them would be odd.
    whole: bool,
    unit: f64,
    low: f64,
    high: f64,
}

/// An exact decimal number: `.0` times ten to the power of `.1`.
type Decimal = (i64, i32);

impl Scale {
    /// An axis for these values, which are finite, and positive if it is logarithmic.
    pub(super) fn new(log: bool, values: &[f64]) -> Self {
        // What is smaller has no decimal step that is a normal number.
        let unit = match values.iter().fold(0.0, |most: f64, v| most.max(v.abs())) {
            0.0 => 1.0,
            most => most.max(1e-300),
        };
        let whole = values.iter().all(|v| v.fract() == 0.0) && !values.is_empty();
        let mut scale = Scale { log, whole, unit, low: f64::INFINITY, high: f64::NEG_INFINITY };
        for &value in values {
            scale.low = scale.low.min(scale.inner(value));
            scale.high = scale.high.max(scale.inner(value));
        }
        if values.is_empty() {
            (scale.low, scale.high) = (0.0, 1.0);
        }
        // Less than this is noise of rounding: such values are drawn as equal.
        let span = scale.high - scale.low;
        let pad = match span < 1e-12 {
            true if log => 0.5,
            true if whole => (1.0 / unit).max(0.1),
            true => 0.1,
            false => 0.04 * span,
        };
        (scale.low, scale.high) = (scale.low - pad, scale.high + pad);
        scale
    }

    fn inner(&self, value: f64) -> f64 {
        if self.log { value.log10() } else { value / self.unit }
    }
    fn fraction(&self, inner: f64) -> f64 {
        (inner - self.low) / (self.high - self.low)
    }

    /// Where the value is, from 0 to 1; `None` for what has no place.
    pub(super) fn at(&self, value: f64) -> Option<f64> {
        let placed = value.is_finite() && (value > 0.0 || !self.log);
        placed.then(|| self.fraction(self.inner(value)))
    }

    /// As many ticks as an axis of that length in pixels has room for, given the room that each needs.
    pub(super) fn ticks(&self, length: f64, room: impl Fn(&Tick) -> f64) -> Vec<Tick> {
        let apart = |pair: &[Tick]| {
            (pair[1].at - pair[0].at) * length >= (room(&pair[0]) + room(&pair[1])) / 2.0
        };
        let most = (length / 42.0) as usize;
        let mut sets = (3..=most.clamp(3, 12)).rev().map(|count| self.about(count));
        sets.find(|ticks| ticks.windows(2).all(apart)).unwrap_or_default()
    }

    /// The lines between the powers of ten, where these are few.
    pub(super) fn minor(&self) -> impl Iterator<Item = f64> {
        let few = self.log && self.high - self.low <= 6.0;
        let powers = if few { self.low.floor() as i32..self.high.ceil() as i32 } else { 0..0 };
        let all = powers.flat_map(|e| (2..10).map(move |m| f64::from(m).log10() + f64::from(e)));
        all.map(|inner| self.fraction(inner)).filter(|at| (0.0..=1.0).contains(at))
    }

    /// No more than `count` ticks or a few more.
    fn about(&self, count: usize) -> Vec<Tick> {
        let decades = self.high - self.low;
        let powers = self.log && decades >= 0.7;
        let marks: Vec<Decimal> = if !self.log {
            steps(self.low, self.high, self.unit, count, self.whole)
        } else if !powers {
            // Too short for two of 1, 2, 5, 10: equal steps of the value.
            let unit = 10f64.powf(self.high.min(308.0));
            let [low, high] = [self.low, self.high].map(|v| 10f64.powf(v).min(f64::MAX) / unit);
            steps(low, high, unit, count, false)
        } else {
            let digits: &[i64] = if decades * 3.0 <= count as f64 { &[1, 2, 5] } else { &[1] };
            let stride = [1, 2, 5, 10, 20, 50, 100]
                .into_iter()
                .find(|&stride| decades / f64::from(stride) <= count as f64)
                .unwrap_or(200);
            let powers = (self.low.floor() as i32..=self.high.ceil() as i32)
                .filter(|power| power.rem_euclid(stride) == 0);
            powers.flat_map(|power| digits.iter().map(move |&digit| (digit, power))).collect()
        };
        let place = |&(m, e): &Decimal| match self.log {
            true => self.fraction((m as f64).log10() + f64::from(e)),
            false => self.fraction(value((m, e)) / self.unit),
        };
        let shown: Vec<Decimal> =
            marks.into_iter().filter(|mark| (-1e-9..=1.0 + 1e-9).contains(&place(mark))).collect();
        let labels = labels(&shown, powers);
        shown.iter().zip(labels).map(|(mark, label)| Tick { at: place(mark), label }).collect()
    }
}

fn value((m, e): Decimal) -> f64 {
    // Read as text, a decimal number is rounded once.
    format!("{m}e{e}").parse().unwrap_or(f64::NAN)
}

/// The multiples of 1, 2 or 5 times a power of ten that lie from `low` to `high`, both in units.
fn steps(low: f64, high: f64, unit: f64, count: usize, whole: bool) -> Vec<Decimal> {
    let raw = format!("{:e}", (high - low) / count as f64 * unit);
    let (lead, power) = raw.split_once('e').unwrap_or(("1", "0"));
    let (lead, power) = (lead.parse().unwrap_or(1.0), power.parse().unwrap_or(0));
    let (digit, power) = match [1, 2, 5].into_iter().find(|&digit| lead <= digit as f64) {
        _ if whole && power < 0 => (1, 0),
        Some(digit) => (digit, power),
        None => (1, power + 1),
    };
    let step = value((digit, power)) / unit;
    let multiples = (low / step - 1e-9).ceil() as i64..=(high / step + 1e-9).floor() as i64;
    multiples.map(|k| (k * digit, power)).collect()
}

/// Plain numbers if these are short, and else multiples of a power of ten: of one power for all, or of
/// `each` its own.
fn labels(marks: &[Decimal], each: bool) -> Vec<String> {
    let plain = |&(m, e): &Decimal| format!("{:.*}", (-e).max(0) as usize, value((m, e)));
    let top = |&(m, e): &Decimal| e + m.abs().max(1).ilog10() as i32;
    let shared = marks.iter().map(top).max().unwrap_or(0);
    let scientific = |mark: &Decimal| {
        let (m, e) = *mark;
        let power = if each { top(mark) } else { shared };
        let digits = format!("{:.*}", (power - e) as usize, m as f64 / 10f64.powi(power - e));
        let raised: String = power.to_string().chars().map(raise).collect();
        match m {
            0 => "0".into(),
            _ if digits == "1" || digits == "-1" => format!("{digits}0{raised}"),
            _ => format!("{digits}·10{raised}"),
        }
    };
    let longest = |texts: &[String]| texts.iter().map(|text| text.chars().count()).max();
    // A plain number of hundreds of digits is not worth making.
    let far = marks.iter().any(|mark| mark.1.abs() > 20);
    let plain: Vec<String> = if far { Vec::new() } else { marks.iter().map(plain).collect() };
    let scientific: Vec<String> = marks.iter().map(scientific).collect();
    let short = longest(&plain) <= longest(&scientific).max(Some(7));
    let chosen = if short && !far { plain } else { scientific };
    chosen.into_iter().map(|text| text.replace('-', "−")).collect()
}

fn raise(c: char) -> char {
    match c.to_digit(10) {
        Some(digit) => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit as usize],
        None => '⁻',
    }
}

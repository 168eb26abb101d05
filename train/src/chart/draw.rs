//! The picture: where everything goes, and its elements.
//!
//! The plot has a fixed size and the picture grows around it, so that no label is cut: ticks come first,
//! margins follow from them, and long texts wrap.

use super::scale::{Scale, Tick};
use super::text::{escape, lines, num, text, width, wrap};
use super::{Axis, Chart, Kind, Series};

/// The colours of Okabe and Ito, without the yellow, which white swallows. Seven colours, six markers
/// and five dashes have no common divisor: 210 series differ.
const COLOURS: [&str; 7] =
    ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#000000"];
const MARKERS: [&str; 6] = [
    "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z",
    "m-3.2-3.2h6.4v6.4h-6.4z",
    "m0-4.4l4.2 7.4h-8.4z",
    "m0-4.6l4.6 4.6-4.6 4.6-4.6-4.6z",
    "m0 4.4l4.2-7.4h-8.4z",
    "m-1.4-4.2h2.8v2.8h2.8v2.8h-2.8v2.8h-2.8v-2.8h-2.8v-2.8h2.8z",
];
const DASHES: [&str; 5] = ["none", "9 4", "2.5 3.5", "11 4 2.5 4", "18 4"];

/// A line of so few points shows each of them.
const FEW: usize = 30;
/// The plot, in pixels; it is higher beside a legend that is higher, and lower as one of several panels.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 340.0;
const PANEL: f64 = 190.0;
const MARGIN: f64 = 16.0;
/// Of most texts: the size, and from line to line.
const SIZE: f64 = 13.0;
const LEADING: f64 = 17.0;
const TITLE: f64 = 18.0;
/// Of a legend: what precedes its texts, and their greatest width.
const SAMPLE: f64 = 60.0;
const LEGEND: f64 = 220.0;

const MIDDLE: &str = " text-anchor=\"middle\"";
const END: &str = " text-anchor=\"end\"";
const BOLD: &str = " font-size=\"18\" font-weight=\"bold\"";

/// A point in pixels: x, and the two ends of a band; `None` where there is a gap.
type Placed = Option<[f64; 3]>;

/// A chart without the frame of a file.
struct Drawn {
    body: String,
    left: f64,
    width: f64,
    height: f64,
}

/// Charts as panels of one SVG, one under another, their plots in line.
pub(super) fn svg(charts: &[&Chart]) -> String {
    let height = if charts.len() > 1 { PANEL } else { HEIGHT };
    let panels: Vec<Drawn> = charts.iter().map(|chart| draw(chart, 0.0, height)).collect();
    let left = panels.iter().map(|panel| panel.left).fold(0.0, f64::max);
    let mut whole = (0.0_f64, 0.0);
    let mut body = String::new();
    for (chart, mut panel) in charts.iter().zip(panels) {
        if panel.left < left {
            panel = draw(chart, left, height);
        }
        body += &match whole.1 {
            0.0 => panel.body,
            y => format!("<g transform=\"translate(0 {})\">\n{}</g>\n", num(y), panel.body),
        };
        whole = (whole.0.max(panel.width.ceil()), whole.1 + panel.height.ceil());
    }
    let title = charts.first().map_or("", |chart| &chart.title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" \
         viewBox=\"0 0 {w} {h}\" role=\"img\" fill=\"#222\" font-size=\"{SIZE}\" \
         font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n",
        escape(title),
        w = whole.0,
        h = whole.1,
    )
}

/// A chart whose plot is at least so far from the left and so high.
fn draw(chart: &Chart, least_left: f64, least_height: f64) -> Drawn {
    let [xs, ys] = scales(chart);
    let legend: Vec<(&Series, Vec<String>)> = (chart.series.iter())
        .map(|series| (series, wrap(&series.label, SIZE, LEGEND)))
        .filter(|(_, label)| !label.is_empty())
        .collect();
    let entry = |label: &[String]| label.len() as f64 * LEADING + 5.0;
    let height = legend.iter().map(|(_, label)| entry(label)).sum::<f64>().max(least_height);
    let xticks = match &chart.x.names[..] {
        [] => xs.ticks(WIDTH, |tick| width(&tick.label, SIZE) + 14.0),
        names => categories(&xs, names),
    };
    let yticks = ys.ticks(height, |_| LEADING + 4.0);
    let title = wrap(&chart.title, TITLE, WIDTH * 0.9);
    let xlabel = wrap(&chart.x.label, SIZE, WIDTH);
    let ylabel = wrap(&chart.y.label, SIZE, height);

    let widest = |texts: &mut dyn Iterator<Item = &String>| {
        texts.map(|text| width(text, SIZE)).fold(0.0, f64::max)
    };
    // The outermost labels of the x axis may reach beyond the margins.
    let over = widest(&mut xticks.iter().map(|tick| &tick.label)) / 2.0 + 4.0;
    let ywide = widest(&mut yticks.iter().map(|tick| &tick.label)) + 12.0;
    let beside = match widest(&mut legend.iter().flat_map(|(_, label)| label)) {
        0.0 => MARGIN,
        wide => SAMPLE + wide + MARGIN,
    };
    let left = (MARGIN + ylabel.len() as f64 * LEADING + ywide).max(over).max(least_left);
    let top = MARGIN + title.len() as f64 * 23.0 + 6.0;
    let (right, bottom) = (left + WIDTH, top + height);
    let whole = (right + beside.max(over), bottom + 36.0 + xlabel.len() as f64 * LEADING);

    let mut svg = String::new();
    svg += &lines(left, MARGIN + 14.0, 23.0, BOLD, &title);
    svg += &lines(left + WIDTH / 2.0, bottom + 42.0, LEADING, MIDDLE, &xlabel);
    let (x, y) = (num(MARGIN + 10.0), num(top + height / 2.0));
    svg += &format!("<g transform=\"translate({x} {y}) rotate(-90)\">\n");
    svg += &(lines(0.0, 0.0, LEADING, MIDDLE, &ylabel) + "</g>\n");

    let x = |at: f64| left + at * WIDTH;
    let y = |at: f64| bottom - at * height;
    let rule = |d: String, colour: &str| format!("<path d=\"{d}\" stroke=\"{colour}\"/>\n");
    let upward = |at: f64| format!("M{} {}V{}", num(x(at)), num(bottom), num(top));
    let across = |at: f64| format!("M{} {}H{}", num(left), num(y(at)), num(right));
    let minor = xs.minor().map(upward).chain(ys.minor().map(across)).collect();
    let major = xticks.iter().map(|tick| upward(tick.at));
    let major = major.chain(yticks.iter().map(|tick| across(tick.at))).collect();
    svg += "<g fill=\"none\" shape-rendering=\"crispEdges\">\n";
    svg += &(rule(minor, "#f2f2f2") + &rule(major, "#dcdcdc"));
    svg += &(rule(upward(0.0) + &across(0.0), "#555") + "</g>\n");
    for Tick { at, label } in &xticks {
        svg += &text(x(*at), bottom + 18.0, MIDDLE, label);
    }
    for Tick { at, label } in &yticks {
        svg += &text(left - 8.0, y(*at) + 4.5, END, label);
    }

    let place = |kind: Kind, [px, low, high]: [f64; 3]| -> Placed {
        if kind == Kind::Upright {
            return Some([x(xs.at(px)?), bottom, top]);
        }
        let low = low.is_finite().then(|| ys.at(low).unwrap_or(0.0))?;
        Some([x(xs.at(px)?), y(low), y(ys.at(high)?)])
    };
    let mut empty = true;
    for behind in [true, false] {
        for series in chart.series.iter().filter(|s| (s.kind == Kind::Band) == behind) {
            let points = series.points.iter();
            let placed: Vec<Placed> = points.map(|&point| place(series.kind, point)).collect();
            empty &= placed.iter().all(Option::is_none);
            svg += &mark(series.kind, series.style, series.points.len() <= FEW, &placed);
        }
    }
    if empty {
        svg += &text(x(0.5), y(0.5), MIDDLE, "no points");
    }

    let (from, mid, to) = (right + 18.0, right + 34.0, right + 50.0);
    let mut at = top + 8.0;
    for (series, label) in &legend {
        let ends = [from, to].map(|x| Some([x, at + 5.0, at - 5.0]));
        let line = [from, to].map(|x| Some([x, at, at]));
        let mark = |kind, placed: &[Placed]| mark(kind, series.style, false, placed);
        svg += &match series.kind {
            Kind::Band => mark(Kind::Band, &ends),
            Kind::Line => mark(Kind::Line, &line),
            Kind::Upright => mark(Kind::Upright, &[Some([mid, at + 7.0, at - 7.0])]),
            Kind::Points => String::new(),
        };
        if series.kind == Kind::Points || series.kind == Kind::Line && series.points.len() <= FEW {
            svg += &mark(Kind::Points, &[Some([mid, at, at])]);
        }
        svg += &lines(right + SAMPLE, at + 4.5, LEADING, "", label);
        at += entry(label);
    }
    Drawn { body: svg, left, width: whole.0, height: whole.1 }
}

/// The scales of x and y, over all points that have a place on both.
fn scales(chart: &Chart) -> [Scale; 2] {
    let has = |axis: &Axis, v: f64| v.is_finite() && (v > 0.0 || !axis.log);
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    let points = chart.series.iter().flat_map(|series| {
        let upright = series.kind == Kind::Upright;
        series.points.iter().map(move |point| (upright, point))
    });
    for (upright, &[x, low, high]) in points {
        if upright && has(&chart.x, x) {
            xs.push(x);
        } else if has(&chart.x, x) && low.is_finite() && has(&chart.y, high) {
            xs.push(x);
            ys.extend([low, high].into_iter().filter(|&y| has(&chart.y, y)));
        }
    }
    if !chart.x.names.is_empty() {
        // Each category has as much room on both sides.
        xs.extend([-0.5, chart.x.names.len() as f64 - 0.5]);
    }
    [Scale::new(chart.x.log, &xs), Scale::new(chart.y.log, &ys)]
}

/// A tick for each category, its name cut off if there is no room for it.
fn categories(xs: &Scale, names: &[String]) -> Vec<Tick> {
    let room = WIDTH / names.len() as f64;
    let fits = |name: &str| match width(name, SIZE) + 8.0 <= room {
        true => name.to_owned(),
        false => {
            let mut short = name.to_owned();
            while short.pop().is_some() && width(&short, SIZE) + width("…", SIZE) + 8.0 > room {}
            short + "…"
        }
    };
    let tick =
        |(at, name): (usize, &String)| Some(Tick { at: xs.at(at as f64)?, label: fits(name) });
    names.iter().enumerate().filter_map(tick).collect()
}

/// A series through these points; if it is `marked`, a line has its markers.
fn mark(kind: Kind, style: usize, marked: bool, placed: &[Placed]) -> String {
    let [colour, mark, dash] = [&COLOURS[..], &MARKERS, &DASHES].map(|of| of[style % of.len()]);
    let (mut path, mut marks) = (String::new(), String::new());
    for run in placed.split(Option::is_none).filter(|run| !run.is_empty()) {
        let end = |end: usize| {
            let points = run.iter().flatten();
            points.map(|point| format!("{} {}", num(point[0]), num(point[end]))).collect()
        };
        let (mut low, high): (Vec<String>, Vec<String>) = (end(1), end(2));
        if kind == Kind::Upright {
            path.extend(
                run.iter()
                    .flatten()
                    .map(|[x, low, high]| format!("M{} {}V{}", num(*x), num(*low), num(*high))),
            );
        } else if kind == Kind::Band {
            low.reverse();
            path += &format!("M{}L{}z", high.join("L"), low.join("L"));
        } else if kind == Kind::Line && run.len() > 1 {
            path += &format!("M{}", high.join("L"));
        }
        // A point between two gaps would not be seen without its marker.
        if kind == Kind::Points || kind == Kind::Line && (marked || run.len() == 1) {
            marks.extend(high.iter().map(|at| format!("M{at}{mark}")));
        }
    }
    let element = |d: &str, rest: &str| match d {
        "" => String::new(),
        _ => format!("<path d=\"{d}\" {rest}/>\n"),
    };
    let look = match kind {
        Kind::Upright => {
            "fill=\"none\" stroke=\"#555\" stroke-dasharray=\"1.5 2.5\" stroke-width=\"1.5\"".into()
        }
        // The stroke shows what is too thin to be shaded.
        Kind::Band => format!(
            "fill=\"{colour}\" fill-opacity=\"0.2\" stroke=\"{colour}\" stroke-opacity=\"0.35\""
        ),
        _ => format!(
            "fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linejoin=\"round\" \
             stroke-dasharray=\"{dash}\""
        ),
    };
    let filled = format!("fill=\"{colour}\" stroke=\"#fff\" stroke-width=\"0.8\"");
    element(&path, &look) + &element(&marks, &filled)
}

//! Charts: what is written is XML, and every mark is where its value is.

use std::f64::consts::TAU;
use std::path::PathBuf;

use gradus_train::Chart;

/// Coordinates have two decimals.
const PIXEL: f64 = 0.02;

/// An element: its name, its attributes, its text up to the next tag.
#[derive(Debug)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
}

impl Element {
    fn get(&self, name: &str) -> &str {
        self.attributes.iter().find(|(have, _)| have == name).map_or("", |(_, value)| value)
    }
    fn number(&self, name: &str) -> f64 {
        self.get(name).parse().unwrap()
    }
}

/// Reads what these charts consist of, and panics at anything that is not well-formed.
fn parse(svg: &str) -> Vec<Element> {
    let (mut open, mut all) = (Vec::<String>::new(), Vec::new());
    let mut rest = svg;
    while let Some(at) = rest.find('<') {
        let (tag, after) = rest[at + 1..].split_once('>').expect("a tag ends");
        let text = &after[..after.find('<').unwrap_or(after.len())];
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed in order");
            continue;
        }
        let (inner, single) = tag.strip_suffix('/').map_or((tag, false), |inner| (inner, true));
        let (name, mut left) = inner.split_once(' ').unwrap_or((inner, ""));
        let mut attributes = Vec::new();
        while !left.trim().is_empty() {
            let (key, value) = left.trim_start().split_once("=\"").expect("an attribute");
            let (value, more) = value.split_once('"').expect("a quoted value");
            assert!(key.chars().all(|c| c.is_ascii_alphabetic() || c == '-' || c == ':'), "{key}");
            attributes.push((key.to_string(), value.to_string()));
            left = more;
        }
        if !single {
            open.push(name.to_string());
        }
        for (at, _) in text.match_indices('&') {
            let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
            assert!(known.iter().any(|entity| text[at..].starts_with(entity)), "{text}");
        }
        all.push(Element { name: name.to_string(), attributes, text: text.to_string() });
    }
    assert!(open.is_empty(), "left open: {open:?}");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    all
}

/// All numbers of the texts that are paths and places.
fn numbers(elements: &[Element]) -> Vec<&str> {
    let keys = ["d", "x", "y", "width", "height", "viewBox"];
    let values =
        elements.iter().flat_map(|e| &e.attributes).filter(|(k, _)| keys[..].contains(&&**k));
    let cut = |c: char| !(c.is_ascii_digit() || c == '.');
    values.flat_map(move |(_, v)| v.split(cut)).filter(|n| !n.is_empty()).collect()
}

/// What must hold for every chart.
fn check(chart: &Chart) -> Vec<Element> {
    let svg = chart.svg();
    assert!(!svg.contains("NaN") && !svg.contains("inf\"") && !svg.contains("inf "), "{svg}");
    assert_eq!(svg, chart.clone().svg());
    let elements = parse(&svg);
    for number in numbers(&elements) {
        let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        assert!(decimals <= 2 && number.parse::<f64>().unwrap() < 1e4, "{number}");
    }
    let [x, y] = [ticks(&elements, "middle"), ticks(&elements, "end")];
    assert!(x.len() < 14 && y.len() < 14, "{x:?} {y:?}");
    assert!(y.windows(2).all(|pair| pair[0].0 - pair[1].0 > 14.0), "{y:?}");
    let half = |label: &str| label.chars().count() as f64 * 0.25 * 13.0;
    let apart =
        |pair: &[(f64, String)]| pair[1].0 - pair[0].0 > half(&pair[0].1) + half(&pair[1].1);
    assert!(x.windows(2).all(apart), "{x:?}");
    let width = elements[0].number("width");
    assert!(x.iter().all(|(at, label)| *at > half(label) && at + half(label) < width), "{x:?}");
    elements
}

/// Tick labels and where they are: those of x are centred, those of y end at the axis.
fn ticks(elements: &[Element], anchor: &str) -> Vec<(f64, String)> {
    let texts: Vec<&Element> =
        elements.iter().filter(|e| e.name == "text" && e.get("text-anchor") == anchor).collect();
    let key = if anchor == "end" { "y" } else { "x" };
    let label = |e: &&&Element| e.text.chars().all(|c| "0123456789.−·⁰¹²³⁴⁵⁶⁷⁸⁹⁻".contains(c));
    texts.iter().filter(label).map(|e| (e.number(key), e.text.clone())).collect()
}

fn labels(elements: &[Element], anchor: &str) -> Vec<String> {
    ticks(elements, anchor).into_iter().map(|(_, label)| label).collect()
}

/// The value that a tick label says.
fn read(label: &str) -> f64 {
    let raised = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹";
    let (base, power) = label.split_at(label.find(|c| raised.contains(c)).unwrap_or(label.len()));
    let plain = |c| raised.chars().zip("-0123456789".chars()).find(|(r, _)| *r == c).unwrap().1;
    let power: String = power.chars().map(plain).collect();
    let base = base.replace('−', "-");
    match (&*base, &*power) {
        (_, "") => base.parse().unwrap(),
        ("10" | "-10", _) => format!("{}e{power}", &base[..base.len() - 1]).parse().unwrap(),
        _ => format!("{}e{power}", base.strip_suffix("·10").unwrap()).parse().unwrap(),
    }
}

/// The path of the first line.
fn line(elements: &[Element]) -> &str {
    elements.iter().find(|e| e.get("stroke-width") == "2").map_or("", |e| e.get("d"))
}

/// The corners of a path of one piece, without markers.
fn corners(path: &str) -> Vec<(f64, f64)> {
    let pair = |point: &str| {
        let (x, y) = point.split_once(' ').unwrap();
        (x.parse().unwrap(), y.parse().unwrap())
    };
    path.trim_start_matches('M').split('L').map(pair).collect()
}

fn many() -> Vec<(f64, f64)> {
    (0..100).map(|i| (f64::from(i), f64::from(i) * 0.5)).collect()
}

#[test]
fn texts_are_escaped() {
    let nasty = "<a href=\"x\"> & 'b' \0\u{1b} ]]>\nend\u{FFFF}";
    let chart = Chart::new(nasty).x(nasty).y(nasty).line(nasty, many()).points(nasty, many());
    let elements = check(&chart.band(nasty, [(0.0, 1.0, 2.0)]));
    let title = elements.iter().find(|e| e.name == "title").unwrap();
    assert_eq!(
        title.text,
        "&lt;a href=&quot;x&quot;&gt; &amp; &#39;b&#39; \u{FFFD}\u{FFFD} ]]&gt; end\u{FFFD}"
    );
    assert!(!elements.iter().any(|e| e.name == "a"));
}

#[test]
fn a_line_breaks_where_a_value_is_not_finite() {
    let mut points = many();
    points[30].1 = f64::NAN;
    points[60].1 = f64::INFINITY;
    points[70].0 = f64::NEG_INFINITY;
    points[72].0 = f64::NAN;
    let elements = check(&Chart::new("").line("", points));
    let path = line(&elements);
    assert_eq!(path.matches('M').count(), 4, "{path}");
    assert_eq!(path.matches('L').count(), 29 + 28 + 8 + 26, "{path}");
    let lone = elements.iter().filter(|e| e.get("stroke") == "#fff").count();
    assert_eq!(lone, 1, "the point between two gaps has a marker");
}

#[test]
fn a_logarithmic_axis_leaves_out_what_is_not_positive() {
    let points = [(1.0, 0.1), (2.0, 0.0), (3.0, -5.0), (4.0, 1.0), (-5.0, 10.0), (6.0, 100.0)];
    let elements = check(&Chart::new("").log_x().log_y().points("", points));
    let dots = elements.iter().find(|e| e.get("stroke") == "#fff").unwrap();
    assert_eq!(dots.get("d").matches('M').count(), 3);
    assert_eq!(labels(&elements, "end"), ["0.1", "1", "10", "100"]);
    assert_eq!(labels(&elements, "middle"), ["1", "2", "5"]);
    assert!(
        check(&Chart::new("").log_y().line("", [(1.0, -1.0)]))
            .iter()
            .any(|e| e.text == "no points")
    );
}

#[test]
fn a_band_reaches_the_edge_of_a_logarithmic_axis() {
    let band = [(0.0, 0.1, 1.0), (1.0, -0.1, 0.5), (2.0, 0.1, 0.8), (3.0, f64::NAN, 1.0)];
    let elements = check(&Chart::new("").log_y().line("mean", many()).band("±", band));
    let bands: Vec<&Element> = elements.iter().filter(|e| e.get("fill-opacity") == "0.2").collect();
    assert_eq!(bands.len(), 2, "the band and its legend");
    let corners = corners(bands[0].get("d").trim_end_matches('z'));
    assert_eq!(corners.len(), 6);
    let edge = elements.iter().find(|e| e.get("stroke") == "#555").unwrap().get("d");
    assert!(edge.contains(&format!(" {}V", corners[4].1)), "{edge} {corners:?}");
    assert_eq!(bands[0].get("fill"), "#0072B2", "the colour of what came before");
}

#[test]
fn points_are_where_the_ticks_say() {
    for (low, high) in [(0.0, 10.0), (-3.0, 7e5), (0.9631, 0.9634), (-1e-7, 1e-9), (2e8, 3e11)] {
        let points: Vec<(f64, f64)> =
            (0..=40).map(|i| low + (high - low) * f64::from(i) / 40.0).map(|v| (v, v)).collect();
        let elements = check(&Chart::new("").line("", points.iter().copied()));
        let ends = corners(line(&elements));
        let (first, last) = (ends[0], ends[40]);
        for (anchor, from, to) in [("middle", first.0, last.0), ("end", first.1, last.1)] {
            let ticks = ticks(&elements, anchor);
            assert!(ticks.len() >= 3, "{ticks:?}");
            for (at, label) in ticks {
                let at = at - if anchor == "end" { 4.5 } else { 0.0 };
                let want = from + (to - from) * (read(&label) - low) / (high - low);
                assert!((at - want).abs() < PIXEL, "{label} at {at}, not {want}");
            }
        }
    }
}

#[test]
fn ticks_are_round() {
    let of = |low: f64, high: f64| {
        labels(&check(&Chart::new("").points("", [(0.5, low), (1.5, high)])), "end")
    };
    assert_eq!(of(0.0, 1.5), ["0.0", "0.5", "1.0", "1.5"]);
    assert_eq!(of(0.0, 100.5), ["0", "20", "40", "60", "80", "100"]);
    assert_eq!(of(-0.3, 0.31), ["−0.3", "−0.2", "−0.1", "0.0", "0.1", "0.2", "0.3"]);
    assert_eq!(
        of(0.9631, 0.9634),
        ["0.96310", "0.96315", "0.96320", "0.96325", "0.96330", "0.96335", "0.96340"]
    );
    assert_eq!(of(0.0, 4.1e-9), ["0", "10⁻⁹", "2·10⁻⁹", "3·10⁻⁹", "4·10⁻⁹"]);
    let epochs = Chart::new("").line("", [(0.0, 1.0), (1.0, 0.5), (2.0, 0.4)]);
    assert_eq!(labels(&check(&epochs), "middle"), ["0", "1", "2"], "no half epochs");
}

#[test]
fn logarithmic_ticks_are_powers_of_ten() {
    let of = |low: f64, high: f64| {
        labels(&check(&Chart::new("").log_y().points("", [(0.5, low), (1.5, high)])), "end")
    };
    assert_eq!(of(0.5, 90.0), ["0.5", "1", "2", "5", "10", "20", "50", "100"]);
    assert_eq!(of(1e-3, 1e2), ["0.001", "0.01", "0.1", "1", "10", "100"]);
    assert_eq!(of(1e-9, 1.0), ["10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²", "10⁰"]);
    assert_eq!(of(1e-300, 1e300), ["10⁻³⁰⁰", "10⁻²⁰⁰", "10⁻¹⁰⁰", "10⁰", "10¹⁰⁰", "10²⁰⁰", "10³⁰⁰"]);
    assert_eq!(of(300.0, 900.0), ["300", "400", "500", "600", "700", "800", "900"]);
}

#[test]
fn any_range_works() {
    let numbers = [0.0, 5e-324, 1e-300, 1e-12, 0.3, 1.0, 1.0 + 1e-15, 1e6, 1e300, f64::MAX];
    let signed = numbers.iter().flat_map(|&v| [v, -v]);
    for low in signed.clone() {
        for high in signed.clone() {
            for chart in [
                Chart::new("").line("l", [(low, high), (high, low)]).points("p", [(low, low)]),
                Chart::new("").band("b", [(low, low, high), (high, low, high)]),
            ] {
                check(&chart);
                check(&chart.clone().log_x());
                check(&chart.log_x().log_y());
            }
        }
    }
}

#[test]
fn ends_of_the_numbers_have_ticks() {
    for (low, high) in [(6e307, f64::MAX), (1e308, 1.7e308), (2e-308, 8e-308)] {
        let elements = check(&Chart::new("").log_y().points("", [(0.5, low), (1.5, high)]));
        assert!(labels(&elements, "end").len() > 2, "{low} to {high}");
    }
}

#[test]
fn few_points_work() {
    let none = check(&Chart::new("nothing"));
    assert!(none.iter().any(|e| e.text == "no points"));
    check(&Chart::new("").log_x().log_y().line("a", []).points("b", []).band("c", []));
    for value in [0.0, 1.0, -7.0, 0.3, 1e-300, 1e300, f64::MAX, f64::MIN] {
        let one = check(&Chart::new("").line("", [(value, value)]));
        assert_eq!(one.iter().filter(|e| e.get("stroke") == "#fff").count(), 1);
        let equal = check(&Chart::new("").line("", (0..50).map(|i| (f64::from(i), value))));
        let corners = corners(line(&equal));
        assert!(corners.iter().all(|&(_, y)| y == corners[0].1));
        assert!(!labels(&equal, "end").is_empty(), "{value}");
    }
}

#[test]
fn legend_is_beside_the_plot() {
    let long = "one label of many words that goes on for longer than the legend is wide, and more "
        .repeat(4);
    let mut chart = Chart::new(long.clone()).x(long.clone()).y(long.clone());
    for i in 0..12 {
        chart = chart.line(format!("{i} {long}"), many());
    }
    let elements = check(&chart.line("", many()));
    let edge = corners(line(&elements)).last().unwrap().0;
    let bottom = elements[0].number("height");
    let entries: Vec<&Element> = elements
        .iter()
        .filter(|e| {
            e.name == "text" && e.get("text-anchor").is_empty() && e.get("font-size").is_empty()
        })
        .collect();
    assert!(entries.len() > 24);
    for pair in entries.windows(2) {
        assert!(pair[1].number("y") - pair[0].number("y") >= 17.0);
    }
    assert!(entries.iter().all(|e| e.number("x") > edge + 22.0 && e.number("y") < bottom));
    assert_eq!(elements.iter().filter(|e| e.get("stroke-width") == "2").count(), 13 + 12);
}

#[test]
fn styles_differ_without_colour() {
    let mut chart = Chart::new("");
    for i in 0..30 {
        chart = chart.line("", (0..9).map(|x| (f64::from(x), f64::from(i))));
    }
    let elements = check(&chart);
    let dashes = elements.iter().filter(|e| e.get("stroke-width") == "2");
    let marks = elements.iter().filter(|e| e.get("stroke") == "#fff");
    let mut looks: Vec<(&str, &str)> = dashes
        .zip(marks)
        .map(|(line, mark)| {
            (line.get("stroke-dasharray"), mark.get("d").rsplit_once('m').unwrap().1)
        })
        .collect();
    looks.sort();
    looks.dedup();
    assert_eq!(looks.len(), 30);
}

#[test]
fn saves_as_a_whole_into_new_folders() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("charts");
    let _ = std::fs::remove_dir_all(&folder);
    let path = folder.join("of/a run/loss.svg");
    let wave = (0..60).map(|i| f64::from(i) / 10.0).map(|x| (x, (x * TAU).sin()));
    let chart = Chart::new("wave").line("sine", wave);
    for _ in 0..2 {
        chart.save(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), chart.svg());
    }
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");

    let error = chart.save(path.join("below a file.svg")).unwrap_err();
    assert!(error.to_string().contains("below a file.svg"), "{error}");
    let error = chart.save(folder.join("of")).unwrap_err();
    assert!(error.to_string().contains("charts"), "{error}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "no draft is left");
    assert_eq!(chart.save("").unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn categories_stand_at_whole_numbers() {
    let names = ["relu", "a name that is far too long for the room that it has here", "tanh"];
    let points = [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)];
    let all = parse(&Chart::new("").x_names(names).points("", points).svg());
    let texts: Vec<&Element> = all.iter().filter(|element| element.name == "text").collect();
    let at = |text: &str| texts.iter().find(|t| t.text.starts_with(text)).unwrap().number("x");
    let [first, second, third] = ["relu", "a name", "tanh"].map(at);
    assert!((second - first - (third - second)).abs() < PIXEL);
    let long = texts.iter().find(|t| t.text.starts_with("a name")).unwrap();
    assert!(long.text.ends_with('…') && long.text.len() < names[1].len());
    // Half a category is free on both sides: no name is cut off by the edge.
    let plot = 560.0;
    assert!((third - first - plot / 3.0 * 2.0 / 1.08).abs() < 1.0, "{first} {third}");
}

#[test]
fn threads_save_to_one_place() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("one place");
    let _ = std::fs::remove_dir_all(&folder);
    let path = folder.join("loss.svg");
    let charts = ["first", "second"]
        .map(|title| Chart::new(title).line("", (0..1000).map(|i| (f64::from(i), f64::from(i)))));
    std::thread::scope(|scope| {
        for chart in &charts {
            scope.spawn(|| (0..50).for_each(|_| chart.save(&path).unwrap()));
        }
    });
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(charts.iter().any(|chart| chart.svg() == found));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "no draft is left");
}

//! Texts and numbers of an SVG: escaped, measured, wrapped.

/// An estimate of the width of a text of that size, rather too wide: fonts differ.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        '−' => 0.84,
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '·' => 0.34,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '-' | '⁰'..='⁻' | '¹' | '²' | '³' => {
            0.44
        }
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '\u{1100}'.. => 1.0,
        'A'..='Z' | '+' | '<' | '=' | '>' | '~' | '&' => 0.79,
        _ => 0.64,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// Lines that are no wider than that, cut between words, and in a word that is too long.
pub(super) fn wrap(text: &str, size: f64, most: f64) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && width(&line, size) + width(word, size) + width(" ", size) > most {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        let mut used = width(&line, size);
        for c in word.chars() {
            let wide = width(c.encode_utf8(&mut [0; 4]), size);
            if used + wide > most {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            line.push(c);
            used += wide;
        }
    }
    lines.extend((!line.is_empty()).then_some(line));
    lines
}

/// A `<text>` element with further attributes.
pub(super) fn text(x: f64, y: f64, attributes: &str, line: &str) -> String {
    format!("<text x=\"{}\" y=\"{}\"{attributes}>{}</text>\n", num(x), num(y), escape(line))
}

/// Texts one under another, `step` apart.
pub(super) fn lines(x: f64, y: f64, step: f64, attributes: &str, lines: &[String]) -> String {
    let line = |(i, line): (usize, &String)| text(x, y + i as f64 * step, attributes, line);
    lines.iter().enumerate().map(line).collect()
}

/// What XML reads as this text; characters that XML has no place for are replaced.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\t' | '\n' | '\r' => out.push(' '),
            '\0'..' ' | '\u{FFFE}' | '\u{FFFF}' => out.push('\u{FFFD}'),
            _ => out.push(c),
        }
    }
    out
}

/// A number with at most two decimals.
pub(super) fn num(value: f64) -> String {
    let text = format!("{value:.2}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".into(),
        short => short.into(),
    }
}

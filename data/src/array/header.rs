//! The header of a `.npy` file: a dictionary as Python writes it, read by its letters and never run.
//! There is no recursion, so no nesting can fill the stack.

use super::bytes::{Kind, Layout};
use crate::FormatError;

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
pub(super) fn parse(text: &str) -> Result<Layout, FormatError> {
    let mut cursor = Cursor { text, at: 0 };
    let (mut element, mut fortran, mut shape) = (None, None, None);
    cursor.expect("{")?;
    while !cursor.take("}") {
        let key = cursor.string()?;
        cursor.expect(":")?;
        let known = match key {
            "descr" => element.replace(cursor.element()?).is_none(),
            "fortran_order" => fortran.replace(cursor.boolean()?).is_none(),
            "shape" => shape.replace(cursor.tuple()?).is_none(),
            _ => false,
        };
        if !known {
            return Err(header(format!("{key:?} is no key of it, or stands twice")));
        }
        if !cursor.take(",") {
            cursor.expect("}")?;
            break;
        }
    }
    if !cursor.rest().is_empty() {
        return Err(cursor.wrong("the end"));
    }
    let missing = |key: &str| header(format!("the key {key:?} is missing"));
    let (kind, big_endian) = element.ok_or_else(|| missing("descr"))?;
    let fortran = fortran.ok_or_else(|| missing("fortran_order"))?;
    let shape = shape.ok_or_else(|| missing("shape"))?;
    Ok(Layout { kind, big_endian, fortran, shape })
}

fn header(why: String) -> FormatError {
    FormatError::Header { why }
}

/// A text, and how far it is read.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// What is left, from the next letter that is no space.
    fn rest(&mut self) -> &'a str {
        let left = &self.text[self.at..];
        let rest = left.trim_start_matches([' ', '\t', '\n', '\r']);
        self.at += left.len() - rest.len();
        rest
    }

    /// Passes `symbol`, if it is next.
    fn take(&mut self, symbol: &str) -> bool {
        let is_next = self.rest().starts_with(symbol);
        self.at += if is_next { symbol.len() } else { 0 };
        is_next
    }

    fn expect(&mut self, symbol: &str) -> Result<(), FormatError> {
        match self.take(symbol) {
            true => Ok(()),
            false => Err(self.wrong(symbol)),
        }
    }

    fn wrong(&mut self, expected: &str) -> FormatError {
        let found: String = self.rest().chars().take(20).collect();
        header(format!("{expected} expected at byte {}, found {found:?}", self.at))
    }

    /// A text in quotes, single or double, without escapes.
    fn string(&mut self) -> Result<&'a str, FormatError> {
        let rest = self.rest();
        let quote = if rest.starts_with('"') { '"' } else { '\'' };
        let inside = rest.strip_prefix(quote).and_then(|inside| inside.split_once(quote));
        match inside {
            Some((text, _)) if !text.contains('\\') => {
                self.at += text.len() + 2;
                Ok(text)
            }
            _ => Err(self.wrong("a text in quotes")),
        }
    }

    fn boolean(&mut self) -> Result<bool, FormatError> {
        match (self.take("True"), self.take("False")) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ => Err(self.wrong("True or False")),
        }
    }

    /// `()`, `(2,)`, `(2, 3)`; Python 2 wrote `2L`.
    fn tuple(&mut self) -> Result<Vec<usize>, FormatError> {
        let mut numbers = Vec::new();
        self.expect("(")?;
        while !self.take(")") {
            let rest = self.rest();
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let number = rest[..digits].parse().map_err(|_| self.wrong("a length"))?;
            self.at += digits;
            self.take("L");
            numbers.push(number);
            if !self.take(",") {
                self.expect(")")?;
                // `(2)` is a number.
                if numbers.len() == 1 {
                    return Err(header(format!("the shape is {number}, and no tuple")));
                }
                break;
            }
        }
        Ok(numbers)
    }

    /// The type of the numbers, and whether their first byte is the largest.
    fn element(&mut self) -> Result<(Kind, bool), FormatError> {
        if self.rest().starts_with('[') {
            return Err(FormatError::Kind { kind: "a record of several fields".to_owned() });
        }
        let text = self.string()?;
        let kind = match text.get(1..) {
            Some("b1" | "?") => Kind::Bool,
            Some("u1") => Kind::U8,
            Some("i1") => Kind::I8,
            Some("u2") => Kind::U16,
            Some("i2") => Kind::I16,
            Some("u4") => Kind::U32,
            Some("i4") => Kind::I32,
            Some("i8") => Kind::I64,
            Some("f2") => Kind::F16,
            Some("f4") => Kind::F32,
            Some("f8") => Kind::F64,
            _ => return Err(FormatError::Kind { kind: format!("type {text:?}") }),
        };
        // One byte has no order. `=` would be that of the machine that wrote.
        match (text.as_bytes()[0], kind.size()) {
            (b'|' | b'<' | b'>', 1) | (b'<', _) => Ok((kind, false)),
            (b'>', _) => Ok((kind, true)),
            _ => Err(FormatError::Kind { kind: format!("type {text:?}") }),
        }
    }
}

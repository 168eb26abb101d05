//! Products and sums by an equation of letters: transposes, traces, outer, inner, batched and any other products.

use std::iter::zip;

use crate::element::Float;
use crate::tape::{Tape, Var};
use crate::tensor::Dims;

/// Letters stand for axes; those of an ellipsis are numbered from here.
const ELLIPSIS: u32 = u32::MAX - 16;

/// An operand, and the letter of each of its axes.
#[derive(Clone)]
struct Term<'t, T: Float> {
    x: Var<'t, T>,
    letters: Vec<u32>,
}

impl<'t, T: Float> Term<'t, T> {
    fn size(&self, letter: u32) -> Option<usize> {
        self.letters.iter().position(|&l| l == letter).map(|axis| self.x.shape()[axis])
    }

    /// Axes of the same letter become one: their diagonal.
    fn with_diagonals(mut self) -> Self {
        while let Some((a, b)) = twice(&self.letters) {
            let letter = self.letters[a];
            self.letters.remove(b);
            self.letters.remove(a);
            self.letters.push(letter);
            let rank = self.x.rank();
            let others = (0..rank).filter(|&axis| axis != a && axis != b);
            self.x = self.x.permute(&others.chain([a, b]).collect::<Vec<_>>()).diagonal(0);
        }
        self
    }

    /// Summed over the axes whose letters `keep` does not hold.
    fn reduced(mut self, keep: impl Fn(u32) -> bool) -> Self {
        let axes = (0..self.letters.len()).filter(|&axis| !keep(self.letters[axis]));
        let axes: Vec<isize> = axes.map(|axis| axis as isize).collect();
        if !axes.is_empty() {
            self.x = self.x.sum_axes(&axes);
            self.letters.retain(|&letter| keep(letter));
        }
        self
    }

    /// The axes in the order of `letters`, all of which are there.
    fn ordered(&self, letters: &[u32]) -> Var<'t, T> {
        let place = |letter: &u32| self.letters.iter().position(|l| l == letter);
        let order: Vec<usize> = letters.iter().filter_map(place).collect();
        if order.iter().copied().eq(0..order.len()) { self.x } else { self.x.permute(&order) }
    }

    /// The product with another term, summed over the letters that neither `keep` nor nobody else needs: one
    /// batched matrix product.
    fn times(self, other: Self, keep: impl Fn(u32) -> bool) -> Self {
        let both = |letter: u32| other.letters.contains(&letter);
        let wide = |letter: u32| self.size(letter) != Some(1) && other.size(letter) != Some(1);
        // A letter of both whose axis repeats a single slice on one side cannot be summed by the product.
        let shared = self.letters.iter().copied().filter(|&l| both(l));
        let (batch, inner): (Vec<u32>, Vec<u32>) = shared.partition(|&l| keep(l) || !wide(l));
        let outside = |term: &Self| -> Vec<u32> {
            let of = term.letters.iter().copied();
            of.filter(|l| !batch.contains(l) && !inner.contains(l)).collect()
        };
        let (rows, columns) = (outside(&self), outside(&other));
        let sizes = |term: &Self, letters: &[u32]| -> Vec<usize> {
            letters.iter().filter_map(|&l| term.size(l)).collect()
        };
        let whole = |parts: &[&[usize]]| parts.concat().into_iter().collect::<Dims>();
        let product = |sizes: &[usize]| sizes.iter().product::<usize>();
        let (m, n) = (sizes(&self, &rows), sizes(&other, &columns));
        let k = product(&sizes(&self, &inner));
        // All leading axes but one are taken together, where neither side has to be repeated along them.
        let (left, right) = (sizes(&self, &batch), sizes(&other, &batch));
        let (a, b) = (
            self.ordered(&[&batch[..], &rows, &inner].concat()),
            other.ordered(&[&batch[..], &inner, &columns].concat()),
        );
        let (lead_a, lead_b) = match left == right {
            true => (vec![product(&left)], vec![product(&right)]),
            false => (left.clone(), right.clone()),
        };
        let a = a.reshape(&whole(&[&lead_a, &[product(&m), k]]));
        let b = b.reshape(&whole(&[&lead_b, &[k, product(&n)]]));
        let lead: Vec<usize> =
            zip(&left, &right).map(|(&a, &b)| if a == 1 { b } else { a }).collect();
        let x = a.matmul(b).reshape(&whole(&[&lead, &m, &n]));
        Term { x, letters: [batch, rows, columns].concat() }.reduced(keep)
    }
}

fn twice(letters: &[u32]) -> Option<(usize, usize)> {
    (0..letters.len())
        .find_map(|a| (a + 1..letters.len()).find(|&b| letters[b] == letters[a]).map(|b| (a, b)))
}

/// The letters of one operand, or of the result; an ellipsis stands for `extra` axes.
#[track_caller]
fn letters(equation: &str, part: &str, extra: usize) -> Vec<u32> {
    let part: String = part.split_whitespace().collect();
    let mut all = Vec::new();
    let mut rest = part.as_str();
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("...") {
            all.extend((0..extra as u32).map(|i| ELLIPSIS + i));
            rest = after;
            continue;
        }
        assert!(c.is_ascii_alphabetic(), "einsum: `{c}` in `{equation}` is not a letter");
        all.push(c as u32);
        rest = &rest[1..];
    }
    all
}

impl<T: Float> Tape<T> {
    /// Einstein's sum: `ij,jk->ik` is a matrix product. A letter names an axis; those that the right side does not
    /// have are summed over, one that an operand has twice takes the diagonal, `...` are leading axes that
    /// broadcast. Without `->`, the letters that stand once, in the order of the alphabet, as in NumPy.
    ///
    /// Operands are multiplied from left to right, each time as one batched matrix product.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let a = tape.var(Tensor::from([[1., 2.], [3., 4.]]));
    /// assert_eq!(tape.einsum("ij,kj->ik", &[a, a]).value().to_vec(), [5., 11., 11., 25.]);
    /// assert_eq!(tape.einsum("ii", &[a]).item(), 5.);
    /// ```
    ///
    /// # Panics
    /// When the equation cannot be read, does not fit the operands, or a letter stands for two sizes.
    #[track_caller]
    pub fn einsum<'t>(&'t self, equation: &str, operands: &[Var<'t, T>]) -> Var<'t, T> {
        let shapes = || operands.iter().map(|x| x.shape()).collect::<Vec<_>>();
        let (left, right) = match equation.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (equation, None),
        };
        let parts: Vec<&str> = left.split(',').collect();
        assert!(
            !operands.is_empty() && parts.len() == operands.len(),
            "einsum: `{equation}` is for {} operands, not {}",
            parts.len(),
            operands.len()
        );
        let extra = |part: &str, x: &Var<T>| match part.contains("...") {
            true => x.rank().saturating_sub(letters(equation, part, 0).len()),
            false => 0,
        };
        let most = zip(&parts, operands).map(|(part, x)| extra(part, x)).max().unwrap_or(0);
        let mut terms = Vec::with_capacity(operands.len());
        for (part, &x) in zip(&parts, operands) {
            // Leading axes are aligned at the last one.
            let (own, missing) = (extra(part, &x), most - extra(part, &x));
            let mut names = letters(equation, part, own);
            for name in names.iter_mut().filter(|name| **name >= ELLIPSIS) {
                *name += missing as u32;
            }
            assert!(
                names.len() == x.rank(),
                "einsum: `{part}` in `{equation}` names {} axes of an operand of shape {:?}",
                names.len(),
                x.shape()
            );
            terms.push(Term { x, letters: names });
        }
        let all: Vec<u32> = terms.iter().flat_map(|term| term.letters.iter().copied()).collect();
        for &letter in &all {
            let of = terms.iter().flat_map(|term| {
                zip(&term.letters, &*term.x.shape())
                    .filter(|(l, _)| **l == letter)
                    .map(|(_, &n)| n)
                    .collect::<Vec<_>>()
            });
            let mut sizes: Vec<usize> = of.collect();
            sizes.sort_unstable();
            sizes.dedup();
            let broadcasts = letter >= ELLIPSIS && sizes.first() == Some(&1) && sizes.len() == 2;
            assert!(
                sizes.len() == 1 || broadcasts,
                "einsum: in `{equation}`, {} stands for sizes {sizes:?} of {:?}",
                name(letter),
                shapes()
            );
        }
        let wanted = match right {
            Some(right) => letters(equation, right, most),
            None => {
                let once = |l: &u32| all.iter().filter(|other| *other == l).count() == 1;
                let mut found: Vec<u32> = all.iter().copied().filter(|&l| l < ELLIPSIS).collect();
                found.retain(once);
                found.sort_unstable();
                (0..most as u32).map(|i| ELLIPSIS + i).chain(found).collect()
            }
        };
        if let Some(missing) = wanted.iter().find(|letter| !all.contains(letter)) {
            panic!("einsum: {} on the right of `{equation}` is in no operand", name(*missing));
        }
        assert!(twice(&wanted).is_none(), "einsum: an axis twice on the right of `{equation}`");

        let mut terms = terms.into_iter().map(Term::with_diagonals);
        let Some(mut result) = terms.next() else { unreachable!("there are operands") };
        let mut rest: Vec<Term<T>> = terms.collect();
        while !rest.is_empty() {
            let next = rest.remove(0);
            let needed = |letter: u32| {
                wanted.contains(&letter) || rest.iter().any(|term| term.letters.contains(&letter))
            };
            let left = result.clone().reduced(|l| needed(l) || next.letters.contains(&l));
            let right = next.reduced(|l| needed(l) || left.letters.contains(&l));
            result = left.times(right, needed);
        }
        result.reduced(|letter| wanted.contains(&letter)).ordered(&wanted)
    }
}

/// A letter, for people.
fn name(letter: u32) -> String {
    match char::from_u32(letter) {
        Some(c) if letter < ELLIPSIS => format!("`{c}`"),
        _ => "an axis of `...`".into(),
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The inner product of two vectors, `[n]` · `[n]`.
    ///
    /// # Panics
    /// When they are not vectors of one length.
    #[track_caller]
    pub fn dot(self, other: Var<'t, T>) -> Var<'t, T> {
        let (a, b) = (self.shape(), other.shape());
        assert!(a.len() == 1 && a == b, "dot: {a:?} and {b:?} are not vectors of one length");
        self.matmul(other)
    }

    /// All products of the elements of two vectors, `[m]`, `[n]` → `[m, n]`.
    ///
    /// # Panics
    /// When one is not a vector.
    #[track_caller]
    pub fn outer(self, other: Var<'t, T>) -> Var<'t, T> {
        let (a, b) = (self.shape(), other.shape());
        assert!(a.len() == 1 && b.len() == 1, "outer: {a:?} and {b:?} are not vectors");
        self.unsqueeze(1) * other
    }
}

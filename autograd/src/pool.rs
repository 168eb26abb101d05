//! Buffers that are kept when a tensor is dropped and handed out again, so that a steady training
//! loop asks the operating system for nothing: fresh pages cost more than most kernels.
//!
//! A pool belongs to a thread. Sizes are rounded up to classes, four to a doubling, and a buffer is
//! always a whole class long and always initialised: what is handed out holds stale numbers, never
//! undefined ones, and so nothing here is `unsafe`.

use triomphe::Arc;

use crate::element::Element;

/// Freed bytes that one thread keeps for each element type; beyond this they go back.
const MOST_KEPT: usize = 1 << 30;
const CLASSES: usize = 160;

/// Where a buffer of several cache lines begins, in bytes: a vector register is as long as a line, and one that
/// straddles two takes twice the time to load. A large allocation begins 16 bytes behind such a place.
const LINE: usize = 64;

/// A buffer: a part of an allocation.
pub(crate) struct Buffer<T> {
    data: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Element> Buffer<T> {
    fn new(len: usize) -> Self {
        let spare = LINE / size_of::<T>() - 1;
        if len <= spare {
            return Buffer { data: vec![T::default(); len], start: 0, len };
        }
        let data = vec![T::default(); len + spare];
        let start = data.as_ptr().align_offset(LINE).min(spare);
        Buffer { data, start, len }
    }

    #[inline(always)]
    fn as_slice(&self) -> &[T] {
        &self.data[self.start..self.start + self.len]
    }

    #[inline(always)]
    fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.data[self.start..self.start + self.len]
    }
}

/// One thread's free buffers of one element type.
pub struct Pool<T> {
    free: [Vec<Arc<Buffer<T>>>; CLASSES],
    kept: usize,
}

/// The class of a size, and the size that class has: 1 to 8 exactly, then four steps a doubling.
fn class(len: usize) -> (usize, usize) {
    if len <= 8 {
        return (len, len);
    }
    let shift = (usize::BITS - (len - 1).leading_zeros()) as usize - 3; // len - 1 has shift + 3 bits
    let steps = ((len - 1) >> shift) + 1; // 5..=8 quarters
    (shift * 4 + steps, steps << shift)
}

impl<T: Element> Pool<T> {
    #[allow(clippy::new_without_default, reason = "only ever made as a thread local")]
    pub(crate) const fn new() -> Self {
        Pool { free: [const { Vec::new() }; CLASSES], kept: 0 }
    }

    fn take(&mut self, class: usize) -> Option<Arc<Buffer<T>>> {
        let buffer = self.free[class].pop()?;
        self.kept -= buffer.len * size_of::<T>();
        Some(buffer)
    }

    fn keep(&mut self, buffer: Arc<Buffer<T>>) {
        let (class, size) = class(buffer.len);
        let bytes = size * size_of::<T>();
        if size == buffer.len && self.kept + bytes <= MOST_KEPT {
            self.kept += bytes;
            self.free[class].push(buffer);
        }
    }
}

/// The elements behind a tensor: one element stands in place, more are shared.
///
/// A single element needs no buffer and no reference count, which is what makes scalar graphs fast.
pub(crate) enum Storage<T: Element> {
    One([T; 1]),
    /// `None` while being dropped, and when the value was [released](Storage::release).
    Many(Option<Arc<Buffer<T>>>),
}

impl<T: Element> Storage<T> {
    /// Room for at least `len` elements, with stale contents, owned by nobody else.
    pub(crate) fn stale(len: usize) -> Self {
        if len == 1 {
            return Storage::One([T::default()]);
        }
        let (class, size) = class(len);
        let pooled = T::with_pool(|pool| pool.take(class)).flatten();
        Storage::Many(Some(pooled.unwrap_or_else(|| Arc::new(Buffer::new(size)))))
    }

    pub(crate) fn from_vec(data: Vec<T>) -> Self {
        match data[..] {
            [one] => Storage::One([one]),
            _ => {
                let len = data.len();
                Storage::Many(Some(Arc::new(Buffer { data, start: 0, len })))
            }
        }
    }

    /// Gives the buffer back; single numbers stay.
    pub(crate) fn release(&mut self) {
        if matches!(self, Storage::Many(_)) {
            *self = Storage::Many(None);
        }
    }

    #[inline(always)]
    pub(crate) fn is_released(&self) -> bool {
        matches!(self, Storage::Many(None))
    }

    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Storage::One(one) => one,
            Storage::Many(Some(many)) => many.as_slice(),
            Storage::Many(None) => &[],
        }
    }

    /// The elements for writing, if nobody else sees them.
    #[inline(always)]
    pub(crate) fn unique(&mut self) -> Option<&mut [T]> {
        match self {
            Storage::One(one) => Some(one),
            Storage::Many(many) => Some(Arc::get_mut(many.as_mut()?)?.as_mut_slice()),
        }
    }
}

impl<T: Element> Clone for Storage<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        match self {
            Storage::One(one) => Storage::One(*one),
            Storage::Many(many) => Storage::Many(many.clone()),
        }
    }
}

impl<T: Element> Drop for Storage<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Storage::Many(many) = self
            && let Some(mut buffer) = many.take()
            // Of two threads that drop the last two owners at once, neither may see itself alone;
            // then the buffer is freed instead of kept, which is only slower.
            && Arc::get_mut(&mut buffer).is_some()
        {
            T::with_pool(|pool| pool.keep(buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ordered_and_hold_what_is_asked() {
        let mut last = (0, 0);
        for len in 0..100_000 {
            let (at, size) = class(len);
            assert!(size >= len && size <= len + len / 4 + 1, "{len}: {size}");
            assert_eq!(class(size), (at, size), "a class is its own class");
            assert!(at == last.0 || at == last.0 + 1, "{len}: {at} after {}", last.0);
            last = (at, size);
        }
        assert!(class(1 << 40).0 < CLASSES);
    }

    #[test]
    fn buffers_begin_with_a_cache_line() {
        for len in [16, 17, 100, 1000, 100_000, 10_000_000] {
            let buffer = Storage::<f32>::stale(len);
            assert_eq!(buffer.as_slice().as_ptr().align_offset(LINE), 0, "{len}");
            assert!(buffer.as_slice().len() >= len);
        }
        assert_eq!(Storage::<f64>::stale(3).as_slice().len(), 3);
    }

    #[test]
    fn a_dropped_buffer_is_handed_out_again() {
        let first = Storage::<f32>::stale(1000);
        let address = first.as_slice().as_ptr();
        let shared = first.clone();
        drop(first);
        let other = Storage::<f32>::stale(1000);
        assert_ne!(other.as_slice().as_ptr(), address, "still shared");
        drop(shared);
        let again = Storage::<f32>::stale(1000);
        assert_eq!(again.as_slice().as_ptr(), address);
    }
}

//! Views, parts and places.

use gradus_autograd::{MAX_RANK, Rng, Tape, Tensor, Var};
use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn reshaping_a_view(
        shape in shape(4), how in how(), cuts in prop::collection::vec(any::<usize>(), 3),
        ones in 0..7_usize, seed in any::<u64>(),
    ) {
        // Another shape of as many elements: divisors one after the other, an axis of 1 somewhere.
        let len: usize = shape.iter().product();
        let mut left = len;
        let mut other = Vec::new();
        for cut in cuts {
            let divisors: Vec<usize> = (1..=left.max(1)).filter(|d| left.is_multiple_of(*d)).collect();
            let divisor = divisors[cut % divisors.len()];
            other.push(divisor);
            left /= divisor;
        }
        other.push(left);
        other.insert(ones % (other.len() + 1), 1);
        assert!(other.len() <= MAX_RANK);

        let tape = Tape::new();
        let x = input(&tape, &shape, how, seed);
        let values: Vec<f64> = indices(&shape).iter().map(|index| x.1.value().at(index)).collect();
        let y = x.1.reshape(&other);
        assert_close("value", &y.value(), &other, &values);
        let g = cotangent(&other, seed);
        assert_gradients(y * 1.0, &g, &[x], &[g.to_vec()]);
    }

    #[test]
    fn permuting_a_view(shape in shape(5), how in how(), k in any::<usize>(), seed in any::<u64>()) {
        let tape = Tape::new();
        let x = input(&tape, &shape, how, seed);
        let order = permutation(shape.len(), k);
        let y = x.1.permute(&order) * 1.0;
        let new_shape: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
        let g = cotangent(&new_shape, seed);
        let mut values = Vec::new();
        let mut pulled = vec![0.0; g.len()];
        for index in indices(&new_shape) {
            let mut from = vec![0; shape.len()];
            order.iter().zip(&index).for_each(|(&axis, &i)| from[axis] = i);
            values.push(x.1.value().at(&from));
            pulled[place(&from, &shape)] = g.at(&index);
        }
        assert_close("value", &y.value(), &new_shape, &values);
        assert_gradients(y, &g, &[x], &[pulled]);
    }

    #[test]
    fn slices_of_a_concatenation_are_its_parts(
        shape in shape(3), axis in any::<usize>(), sizes in prop::collection::vec(0..4_usize, 1..4),
        hows in prop::collection::vec(how(), 3), seed in any::<u64>(),
    ) {
        prop_assume!(!shape.is_empty());
        let axis = axis % shape.len();
        let tape = Tape::new();
        let parts: Vec<_> = sizes.iter().zip(&hows).enumerate().map(|(i, (&size, &how))| {
            let mut part = shape.clone();
            part[axis] = size;
            input(&tape, &part, how, seed.wrapping_add(i as u64))
        }).collect();
        let views: Vec<Var<f64>> = parts.iter().map(|part| part.1).collect();
        let whole = tape.concat(&views, axis as isize - shape.len() as isize);
        let mut whole_shape = shape.clone();
        whole_shape[axis] = sizes.iter().sum();
        prop_assert_eq!(&whole.shape()[..], &whole_shape[..]);
        let g = cotangent(&whole_shape, seed);
        let mut start = 0;
        let mut pulled = Vec::new();
        for part in &views {
            let range = start..start + part.shape()[axis];
            start = range.end;
            let back = whole.slice(axis as isize, range.clone());
            prop_assert_eq!(back.value(), part.value());
            pulled.push(g.slice(axis as isize, range).to_vec());
        }
        assert_gradients(whole, &g, &parts, &pulled);
    }

    #[test]
    fn gathering_along_an_axis(
        shape in shape(3), axis in any::<usize>(), count in 0..5_usize, less in any::<u32>(),
        how in how(), seed in any::<u64>(),
    ) {
        prop_assume!(!shape.is_empty());
        let axis = axis % shape.len();
        let count = if shape[axis] == 0 { 0 } else { count };
        // The index may be smaller along the other axes.
        let index_shape: Vec<usize> = shape.iter().enumerate().map(|(at, &n)| match at == axis {
            true => count,
            false => n.saturating_sub((less >> at & 1) as usize),
        }).collect();
        let mut rng = Rng::new(seed);
        let end = shape[axis].max(1);
        let index = Tensor::<i64>::from_fn(&index_shape, |_| rng.below(end) as i64);
        let tape = Tape::new();
        let x = input(&tape, &shape, how, seed);
        let y = x.1.gather(axis as isize, &index);
        let g = cotangent(&index_shape, seed);
        let (mut values, mut pulled) = (vec![], vec![0.0; x.1.value().len()]);
        for at in indices(&index_shape) {
            let mut from = at.clone();
            from[axis] = index.at(&at) as usize;
            values.push(x.1.value().at(&from));
            pulled[place(&from, &shape)] += g.at(&at);
        }
        assert_close("value", &y.value(), &index_shape, &values);
        assert_gradients(y, &g, &[x], &[pulled]);
    }

}

//! Sums, means, maxima and softmax over axes.

use gradus_autograd::Tape;
use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn sums_means_and_maxima_over_axes(
        shape in shape(4), mask in any::<u32>(), how in how(), seed in any::<u64>(), negative in any::<bool>(),
    ) {
        let tape = Tape::new();
        let x = input(&tape, &shape, how, seed);
        let reduced = |axis: usize| mask >> axis & 1 == 1;
        let rank = shape.len();
        let axes: Vec<isize> = (0..rank)
            .filter(|&axis| reduced(axis))
            .map(|axis| if negative { axis as isize - rank as isize } else { axis as isize })
            .collect();
        let kept: Vec<usize> = (0..rank).filter(|&axis| !reduced(axis)).collect();
        let kept_shape: Vec<usize> = kept.iter().map(|&axis| shape[axis]).collect();
        let count: usize = (0..rank).filter(|&axis| reduced(axis)).map(|axis| shape[axis]).product();
        let to = |index: &[usize]| place(&kept.iter().map(|&axis| index[axis]).collect::<Vec<_>>(), &kept_shape);

        let values = x.1.value();
        let size: usize = kept_shape.iter().product();
        let mut sums = vec![0.0; size];
        let mut maxima = vec![f64::NEG_INFINITY; size];
        let mut ties = vec![0.0; size];
        for index in indices(&shape) {
            let (at, value) = (to(&index), values.at(&index));
            sums[at] += value;
            if value > maxima[at] {
                (maxima[at], ties[at]) = (value, 0.0);
            }
            ties[at] += f64::from(u8::from(value == maxima[at]));
        }
        let g = cotangent(&kept_shape, seed);
        let flat = g.to_vec();
        let all = indices(&shape);

        let sum = x.1.sum_axes(&axes);
        assert_close("sum", &sum.value(), &kept_shape, &sums);
        assert_gradients(sum, &g, &[x], &[all.iter().map(|index| flat[to(index)]).collect()]);
        if count == 0 {
            return Ok(());
        }
        let mean = x.1.mean_axes(&axes);
        assert_close("mean", &mean.value(), &kept_shape, &sums.iter().map(|s| s / count as f64).collect::<Vec<_>>());
        let pulled = all.iter().map(|index| flat[to(index)] / count as f64).collect();
        assert_gradients(mean, &g, &[x], &[pulled]);
        let max = x.1.max_axes(&axes);
        assert_close("max", &max.value(), &kept_shape, &maxima);
        let share = |index: &Vec<usize>| match values.at(index) == maxima[to(index)] {
            true => flat[to(index)] / ties[to(index)],
            false => 0.0,
        };
        assert_gradients(max, &g, &[x], &[all.iter().map(share).collect()]);
    }

    #[test]
    fn softmax_along_an_axis(shape in shape(3), axis in any::<usize>(), how in how(), seed in any::<u64>()) {
        prop_assume!(!shape.is_empty());
        let axis = axis % shape.len();
        let tape = Tape::new();
        let x = input(&tape, &shape, how, seed);
        let values = x.1.value();
        let total = |index: &[usize]| {
            let at = |i| { let mut index = index.to_vec(); index[axis] = i; values.at(&index) };
            (0..shape[axis]).map(|i| at(i).exp()).sum::<f64>()
        };
        let all = indices(&shape);
        let p: Vec<f64> = all.iter().map(|index| values.at(index).exp() / total(index)).collect();
        let g = cotangent(&shape, seed);
        let along = |index: &[usize], f: &dyn Fn(&[usize]) -> f64| {
            (0..shape[axis]).map(|i| { let mut index = index.to_vec(); index[axis] = i; f(&index) }).sum::<f64>()
        };
        let p_at = |index: &[usize]| p[place(index, &shape)];
        let y = x.1.softmax(axis as isize);
        assert_close("softmax", &y.value(), &shape, &p);
        let pulled = all.iter().map(|index| p_at(index) * (g.at(index) - along(index, &|i| g.at(i) * p_at(i)))).collect();
        assert_gradients(y, &g, &[x], &[pulled]);
        let y = x.1.log_softmax(axis as isize - shape.len() as isize);
        assert_close("log_softmax", &y.value(), &shape, &p.iter().map(|p| p.ln()).collect::<Vec<_>>());
        let pulled = all.iter().map(|index| g.at(index) - p_at(index) * along(index, &|i| g.at(i))).collect();
        assert_gradients(y, &g, &[x], &[pulled]);
    }

}

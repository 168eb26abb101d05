//! Against sums written out.

use super::{Geometry, forward, transposed, weight};
use crate::{Rng, Tensor};

/// Whole numbers, so that all sums are exact.
fn numbers(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| rng.below(7) as f64 - 3.0).collect()
}

/// Calls `f` with the places in input, weights and output of every product.
fn each(g: &Geometry, mut f: impl FnMut(usize, usize, usize)) {
    let at =
        |place: [usize; 3], size: [usize; 3]| (place[0] * size[1] + place[1]) * size[2] + place[2];
    let places = |size: [usize; 3]| {
        (0..size.iter().product::<usize>())
            .map(move |i| [i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]])
    };
    let count = |size: [usize; 3]| size.iter().product::<usize>();
    for unit in 0..g.samples * g.groups {
        for (filter, channel) in (0..g.filters).flat_map(|f| (0..g.channels).map(move |c| (f, c))) {
            for (out, tap) in places(g.output).flat_map(|o| places(g.kernel).map(move |k| (o, k))) {
                let from: [isize; 3] = std::array::from_fn(|a| {
                    (out[a] * g.stride[a] + tap[a] * g.dilation[a]) as isize - g.before[a] as isize
                });
                if (0..3).any(|a| from[a] < 0 || from[a] >= g.input[a] as isize) {
                    continue;
                }
                let row = unit % g.groups * g.filters + filter;
                f(
                    (unit * g.channels + channel) * count(g.input)
                        + at(from.map(|a| a as usize), g.input),
                    (row * g.channels + channel) * count(g.kernel) + at(tap, g.kernel),
                    (unit * g.filters + filter) * count(g.output) + at(out, g.output),
                );
            }
        }
    }
}

fn check(g: Geometry) {
    let count = |size: [usize; 3]| size.iter().product::<usize>();
    let n = g.samples * g.groups;
    let (nx, nw, ny) = (
        n * g.channels * count(g.input),
        g.groups * g.filters * g.channels * count(g.kernel),
        n * g.filters * count(g.output),
    );
    let (x, w, y) = (numbers(nx, 1), numbers(nw, 2), numbers(ny, 3));
    let bias = numbers(g.groups * g.filters, 4);
    let mut expected = [vec![0.0; ny], vec![0.0; nx], vec![0.0; nw]];
    for (at, sum) in expected[0].iter_mut().enumerate() {
        *sum = bias[at / count(g.output).max(1) % (g.groups * g.filters)];
    }
    each(&g, |i, k, o| {
        expected[0][o] += x[i] * w[k];
        expected[1][i] += y[o] * w[k];
        expected[2][k] += x[i] * y[o];
    });
    let mut found = [vec![f64::NAN; ny], vec![f64::NAN; nx], vec![f64::NAN; nw]];
    forward(&g, &x, &w, Some(&bias), &mut found[0]);
    transposed(&g, &y, &w, &mut found[1]);
    weight(&g, &x, &y, &mut found[2]);
    assert_eq!(found, expected, "{g:?}");
    // In 32 bits, vectors are twice as long.
    let short = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
    let (x, w, y, bias) = (short(&x), short(&w), short(&y), short(&bias));
    let mut found = [vec![f32::NAN; ny], vec![f32::NAN; nx], vec![f32::NAN; nw]];
    forward(&g, &x, &w, Some(&bias), &mut found[0]);
    transposed(&g, &y, &w, &mut found[1]);
    weight(&g, &x, &y, &mut found[2]);
    assert_eq!(found, expected.map(|all| short(&all)), "{g:?}");
}

#[test]
fn any_geometry() {
    let mut rng = Rng::new(5);
    let mut below = |n: usize| rng.below(n);
    for round in 0..400 {
        let axes = 1 + below(3);
        let pick = |from: &mut dyn FnMut() -> usize| -> [usize; 3] {
            std::array::from_fn(|axis| if axis + axes < 3 { 1 } else { from() })
        };
        let kernel = pick(&mut || 1 + below(3));
        let dilation = pick(&mut || 1 + below(2));
        let stride = pick(&mut || 1 + below(3));
        let mut before = pick(&mut || below(3));
        (0..3 - axes).for_each(|axis| before[axis] = 0);
        let wide = if round % 5 == 0 { 40 } else { 9 };
        let mut input = pick(&mut || 1 + below(7));
        input[2] = 1 + below(wide);
        let mut g = Geometry {
            samples: below(3) + usize::from(round % 7 != 0),
            groups: 1 + below(2),
            channels: 1 + below(3),
            filters: 1 + below(11),
            input,
            kernel,
            output: [0; 3],
            stride,
            before,
            dilation,
        };
        let spans = |axis: usize| dilation[axis] * (kernel[axis] - 1) + 1;
        if (0..3).any(|a| input[a] + 2 * before[a] < spans(a)) {
            continue;
        }
        g.output = std::array::from_fn(|a| (input[a] + 2 * before[a] - spans(a)) / stride[a] + 1);
        check(g);
    }
}

#[test]
fn the_same_bits_with_any_number_of_threads() {
    let g = Geometry {
        samples: 5,
        groups: 1,
        channels: 16,
        filters: 24,
        input: [1, 20, 19],
        kernel: [1, 3, 3],
        output: [1, 20, 19],
        stride: [1; 3],
        before: [0, 1, 1],
        dilation: [1; 3],
    };
    assert!(g.multiplications() > super::SHARED);
    let random = |n: usize, seed| Tensor::<f32>::randn(&[n], &mut Rng::new(seed)).to_vec();
    let (x, w, y) = (random(5 * 16 * 380, 1), random(24 * 16 * 9, 2), random(5 * 24 * 380, 3));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut found = [vec![0.0; y.len()], vec![0.0; x.len()], vec![0.0; w.len()]];
            forward(&g, &x, &w, None, &mut found[0]);
            transposed(&g, &y, &w, &mut found[1]);
            weight(&g, &x, &y, &mut found[2]);
            found.map(|all| all.into_iter().map(f32::to_bits).collect::<Vec<_>>())
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(3));
}

//! Data sets, their batches and their scaling.

use gradus_autograd::{Rng, Tensor};
use gradus_data::{Csv, Dataset, Missing, Preprocess, StandardScaler};

use super::message;

/// `n` samples of shape [2, 3] that say their row, and targets [n] that do so too.
fn counted(n: usize) -> Dataset {
    let x = Tensor::from_fn(&[n, 2, 3], |at| (at[0] * 6 + at[1] * 3 + at[2]) as f32);
    Dataset::new(x, Tensor::arange(n as f32)).unwrap()
}

#[test]
fn bad_data_is_refused_by_place() {
    let ones = |shape: &[usize]| Tensor::<f32>::ones(shape);
    assert_eq!(
        message(Dataset::new(ones(&[3, 2]), ones(&[4, 1]))),
        "x has shape [3, 2] and y [4, 1]: the first axis must count the same samples"
    );
    assert_eq!(
        message(Dataset::new(ones(&[]), ones(&[]))),
        "x has shape [] and y []: the first axis must count the same samples"
    );
    assert_eq!(message(Dataset::new(ones(&[0, 2]), ones(&[0, 1]))), "the data set has no samples");
    let mut x = ones(&[2, 3, 4]);
    x.make_mut()[17] = f32::NEG_INFINITY;
    assert_eq!(
        message(Dataset::new(x, ones(&[2, 1]))),
        "x[1, 1, 1] is -inf: not finite; mend or leave out sample 1"
    );
    assert_eq!(
        message(Dataset::new(ones(&[2]), Tensor::from([0., f32::NAN]))),
        "y[1] is NaN: not finite; mend or leave out sample 1"
    );
    let with_y = |y: Tensor| Dataset::new(ones(&[3, 1]), y).unwrap();
    assert_eq!(
        message(with_y(Tensor::from([0., 1.5, 2.])).classes()),
        "the label of sample 1 is 1.5: labels are whole numbers from 0 on"
    );
    assert_eq!(
        message(with_y(Tensor::from([0., 1., -1.])).classes()),
        "the label of sample 2 is -1: labels are whole numbers from 0 on"
    );
    assert_eq!(
        message(with_y(Tensor::from([0., 1., 1e30])).classes()),
        format!("the label of sample 2 is {}: labels are whole numbers from 0 on", 1e30_f32 as f64)
    );
    assert_eq!(
        message(with_y(ones(&[3, 2])).classes()),
        "y has shape [3, 2]: classes need one label a sample, [3] or [3, 1]"
    );
    let labels = with_y(Tensor::from([0., 2., 3.]));
    assert_eq!(labels.classes_below(4).unwrap().to_vec(), [0, 2, 3]);
    assert_eq!(
        message(labels.classes_below(3)),
        "the label of sample 2 is 3: of 3 classes, the last is 2"
    );
    assert_eq!(
        message(labels.subset(&[0, 3])),
        "row 3 (entry 1 of the list) is outside of 3 samples"
    );
    assert_eq!(message(labels.subset(&[])), "the subset has no samples");
    assert_eq!(
        message(labels.batches(0)),
        "batches: the batch size is 0; a batch has at least 1 sample"
    );
}

#[test]
fn subsets_gather_rows_of_views_and_of_any_shape() {
    let data = counted(5);
    let some = data.subset(&[4, 1, 4]).unwrap();
    assert_eq!(some.x().shape(), [3, 2, 3]);
    assert_eq!(some.y().to_vec(), [4., 1., 4.]);
    assert_eq!(some.x().row(1), data.x().row(1));

    let columns = Tensor::<f32>::arange(6.).reshape(&[2, 3]).t();
    let data = Dataset::new(columns, Tensor::arange(3.)).unwrap();
    assert_eq!(data.subset(&[2, 0]).unwrap().x().to_vec(), [2., 5., 0., 3.]);

    let other = data.with_y(Tensor::from([[1., 0.], [0., 1.], [0., 1.]])).unwrap();
    assert_eq!((other.y().shape(), other.x()), (&[3, 2][..], data.x()));
    assert!(data.with_y(Tensor::ones(&[2])).is_err() && data.with_x(Tensor::ones(&[2])).is_err());
}

#[test]
fn batches_in_order_are_views() {
    let data = counted(10);
    let batches: Vec<_> = data.batches(4).unwrap().into_iter().collect();
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.len()).collect();
    assert_eq!(sizes, [4, 4, 2]);
    for (batch, start) in batches.iter().zip([0, 4, 8]) {
        assert_eq!(batch.x.shape()[0], batch.len());
        let place = |x: &Tensor| x.as_slice().unwrap().as_ptr();
        assert_eq!(place(&batch.x), place(&data.x().slice(0, start..10)), "the same memory");
        assert_eq!(batch.rows().next(), Some(start));
        assert_eq!(batch.classes().unwrap().at(&[0]), start as i64);
    }
}

#[test]
fn shuffled_batches_hold_each_sample_once_in_an_order_of_seed_and_epoch() {
    let data = counted(23);
    let plan = data.batches(5).unwrap().shuffled(7);
    let order = |epoch| -> Vec<f32> { plan.epoch(epoch).flat_map(|b| b.y.to_vec()).collect() };
    for batch in plan.epoch(3) {
        for (at, row) in batch.rows().enumerate() {
            assert_eq!(batch.x.row(at), data.x().row(row));
            assert_eq!(batch.y.at(&[at]), row as f32);
        }
    }
    let mut all = order(3);
    assert_eq!(all, order(3));
    assert_ne!(all, order(4));
    assert_ne!(all, plan.shuffled(8).epoch(3).flat_map(|b| b.y.to_vec()).collect::<Vec<_>>());
    all.sort_by(f32::total_cmp);
    assert_eq!(all, data.y().to_vec());
    // Fixed for all time.
    assert_eq!(order(0)[..6], FIRST_ORDER);
}
const FIRST_ORDER: [f32; 6] = [2., 12., 11., 3., 21., 15.];

#[test]
fn the_last_batch_is_dropped_unless_it_is_the_only_one() {
    let count = |n, size| {
        let data = counted(n);
        let (all, full) = (data.batches(size).unwrap(), data.batches(size).unwrap().drop_last());
        assert_eq!((all.len(), full.len()), (all.epoch(0).count(), full.epoch(0).count()));
        assert_eq!(all.epoch(0).len(), all.len());
        (all.len(), full.len())
    };
    assert_eq!(count(10, 4), (3, 2));
    assert_eq!(count(8, 4), (2, 2));
    assert_eq!(count(3, 4), (1, 1));
    assert_eq!(count(3, usize::MAX), (1, 1));
    assert_eq!(count(3, 1), (3, 3));
}

#[test]
fn scaling_gives_mean_0_and_variance_1() {
    let mut rng = Rng::new(1);
    let x = Tensor::<f64>::from_fn(&[200, 3], |at| {
        // The second column is far from 0 and narrow, the third is constant and inexact.
        [5.0 * rng.normal(), 1e6 + 1e-3 * rng.normal(), 0.1][at[1]]
    });
    let mut data = Dataset::new(x.clone(), Tensor::ones(&[200, 1])).unwrap();
    let scaler = StandardScaler::fit(&data).unwrap();
    scaler.apply(&mut data).unwrap();
    for feature in 0..2 {
        let column = data.x().slice(1, feature..feature + 1).to_vec();
        let mean = column.iter().sum::<f64>() / 200.;
        let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 200.;
        // 1e6 with a spread of 1e-3 leaves 1e-10 · 1e3 of rounding in the mean.
        assert!(mean.abs() < 1e-6 && (variance - 1.).abs() < 1e-6, "{mean} {variance}");
    }
    assert!(data.x().slice(1, 2..3).to_vec().iter().all(|&x| x == 0.0), "exactly 0");
    assert_eq!(scaler.std().to_vec()[2], 1.0);
    let back = scaler.inverse(data.x()).unwrap().to_vec();
    for (a, b) in back.iter().zip(x.to_vec()) {
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1.), "{a} {b}");
    }
}

#[test]
fn scaling_has_the_range_of_its_numbers() {
    for scale in [1e-300, 1e300] {
        let x = Tensor::from([[1. * scale], [2. * scale], [3. * scale]]);
        let data = Dataset::<f64>::new(x, Tensor::ones(&[3])).unwrap();
        let std = StandardScaler::fit(&data).unwrap().std().item();
        assert!((std / scale - (2.0_f64 / 3.).sqrt()).abs() < 1e-15, "{std}");
    }
    let x = Tensor::from([[0., f64::MAX], [1., -f64::MAX], [2., f64::MAX]]);
    let data = Dataset::<f64>::new(x, Tensor::ones(&[3])).unwrap();
    let expected = "feature 1: its numbers are too large, or too close, to be scaled";
    assert_eq!(message(StandardScaler::fit(&data)), expected);

    let narrow = Tensor::<f32>::from([[0., 1e-30], [1., 2e-30]]);
    let scaler = StandardScaler::fit(&Dataset::new(narrow, Tensor::ones(&[2])).unwrap()).unwrap();
    let mut wide = Dataset::<f32>::new(Tensor::from([[0., 1e20]]), Tensor::ones(&[1])).unwrap();
    let before = wide.clone();
    assert_eq!(message(scaler.apply(&mut wide)), expected);
    assert_eq!(wide, before, "untouched");
    let mut other = counted(2);
    assert_eq!(
        message(scaler.apply(&mut other)),
        "fitted on samples of shape [2], these have shape [2, 3]"
    );
    assert!(scaler.transform(&Tensor::<f32>::scalar(1.)).is_err());
}

/// A gap is let through when a file is read on purpose, and named by its column before it does harm.
#[test]
fn gaps_are_named_by_their_column() {
    let file = "width,height,label\n1,2,0\n3,,1\n";
    let data: Dataset = Csv::new().missing(Missing::Nan).read(file.as_bytes()).unwrap();
    assert_eq!(
        message(data.check_finite()),
        "x[1, 1] (height) is NaN: not finite; mend or leave out sample 1"
    );
    assert!(data.complete().unwrap().check_finite().is_ok());
}

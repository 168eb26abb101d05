//! Splits and folds: nothing lost, nothing doubled, classes in proportion, the same bits again.

use gradus_autograd::{Rng, Tensor};
use gradus_data::{DataError, Dataset, Split};

use super::message;

/// One feature, the row's number, and the given labels.
pub(crate) fn labelled(labels: &[usize]) -> Dataset<f64> {
    let n = labels.len();
    let x = Tensor::from_fn(&[n, 1], |at| at[0] as f64);
    Dataset::new(x, Tensor::from_fn(&[n, 1], |at| labels[at[0]] as f64)).unwrap()
}

fn rows(part: &Dataset<f64>) -> Vec<usize> {
    part.x().to_vec().iter().map(|&x| x as usize).collect()
}

pub(crate) fn sorted(mut rows: Vec<usize>) -> Vec<usize> {
    rows.sort_unstable();
    rows
}

#[test]
fn every_sample_is_in_one_part_and_classes_keep_their_proportion() {
    let mut split = 0;
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let (n, classes) = (20 + rng.below(300), 1 + rng.below(7));
        let labels: Vec<usize> = (0..n).map(|_| rng.below(classes) * 3).collect();
        let data = labelled(&labels);
        let weights: [f64; 3] = std::array::from_fn(|_| 0.2 + rng.uniform());
        let fractions = weights.map(|weight| weight / weights.iter().sum::<f64>());

        for how in [Split::stratified(seed), Split::shuffled(seed), Split::in_order()] {
            let parts = match data.split(fractions, how) {
                Ok(parts) => parts,
                Err(DataError::ClassTooSmall { count, .. }) => {
                    assert!(count < 3, "seed {seed}: {count} are enough for {fractions:?}");
                    continue;
                }
                Err(error) => panic!("seed {seed}: {error}"),
            };
            split += 1;
            let all: Vec<usize> = parts.iter().flat_map(rows).collect();
            assert_eq!(sorted(all), (0..n).collect::<Vec<_>>(), "seed {seed}: {how:?}");
            for (part, fraction) in parts.iter().zip(fractions) {
                let exact = n as f64 * fraction;
                // Small classes that must be everywhere take what large ones cannot always repay.
                let small = how == Split::stratified(seed) && n < 20 * classes;
                let off = (part.len() as f64 - exact).abs();
                assert!(small || off < 1.0 + 1e-9, "seed {seed}: {how:?} is off by {off}");
                for row in rows(part).iter().zip(part.classes().unwrap().to_vec()) {
                    assert_eq!(labels[*row.0] as i64, row.1, "x and y stay together");
                }
                for class in (0..classes).filter(|_| how == Split::stratified(seed)) {
                    let count = |all: &[usize]| all.iter().filter(|&&c| c == class * 3).count();
                    let of_part: Vec<usize> = rows(part).iter().map(|&row| labels[row]).collect();
                    let exact = count(&labels) as f64 * fraction;
                    let off = (count(&of_part) as f64 - exact).abs();
                    assert!(off < 1.0, "seed {seed}: class {class} is off by {off}");
                }
            }
        }
    }
    assert!(split > 1000, "{split} splits were looked at");
}

#[test]
fn a_seed_gives_the_same_bits_and_another_seed_others() {
    let data = labelled(&(0..50).map(|row| row % 3).collect::<Vec<_>>());
    for how in [Split::stratified, Split::shuffled] {
        let parts = |seed| data.split([0.5, 0.5], how(seed)).unwrap();
        assert_eq!(parts(7), parts(7));
        assert_ne!(parts(7), parts(8));
    }
    // Fixed for all time: these rows must not change from release to release or machine to machine.
    let [_, test] = labelled(&[0; 12]).split([0.5, 0.5], Split::shuffled(7)).unwrap();
    assert_eq!(rows(&test), FIRST_SHUFFLED);
    let [_, test] = labelled(&[0, 1].repeat(6)).split([0.5, 0.5], Split::stratified(7)).unwrap();
    assert_eq!(rows(&test), FIRST_STRATIFIED);
}
const FIRST_SHUFFLED: [usize; 6] = [8, 10, 11, 4, 1, 3];
const FIRST_STRATIFIED: [usize; 6] = [5, 2, 7, 10, 3, 0];

#[test]
fn in_order_keeps_the_order() {
    let [train, test] = labelled(&[0; 10]).split([0.7, 0.3], Split::in_order()).unwrap();
    assert_eq!(rows(&train), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(rows(&test), [7, 8, 9]);
}

#[test]
fn stratified_parts_are_not_sorted_by_class() {
    let data = labelled(&[[0; 40], [1; 40]].concat());
    let [train, _] = data.split([0.8, 0.2], Split::stratified(1)).unwrap();
    let first_half = &train.classes().unwrap().to_vec()[..32];
    assert!((8..24).contains(&first_half.iter().sum::<i64>()), "{first_half:?}");
}

/// 100 · 0.29 is 28.999999999999996: rounding must not cost a sample.
#[test]
fn counts_are_exact_where_fractions_are_not() {
    let [a, b] = labelled(&[0; 100]).split([0.29, 0.71], Split::shuffled(1)).unwrap();
    assert_eq!((a.len(), b.len()), (29, 71));
    let tenths = labelled(&[0; 10]).split([0.1; 10], Split::stratified(1)).unwrap();
    assert!(tenths.iter().all(|part| part.len() == 1));
}

#[test]
fn messages_say_what_and_where() {
    let data = labelled(&[0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
    let how = Split::stratified(1);
    assert_eq!(
        message(data.split([0.5, 0.25], how)),
        "split: the fractions [0.5, 0.25] sum to 0.75, not to 1"
    );
    assert_eq!(
        message(data.split([0.6, 0.2, 0.1], how)),
        "split: the fractions [0.6, 0.2, 0.1] sum to 0.9, not to 1",
        "and not 0.8999999999999999"
    );
    assert_eq!(
        message(data.split([0.5, 0.500_000_002], how)),
        "split: the fractions [0.5, 0.500000002] sum to 1.000000002, not to 1"
    );
    assert_eq!(message(data.split([], how)), "split: the fractions [] sum to 0, not to 1");
    assert_eq!(
        message(data.split([1.5, -0.5], how)),
        "split: fraction 1 is -0.5: each must be positive"
    );
    assert_eq!(
        message(data.split([f64::NAN, 0.5], how)),
        "split: fraction 0 is NaN: each must be positive"
    );
    assert!(data.split([0.7, 0.3 + 1e-12], how).is_ok(), "rounding is no error");
    let three = data.split([0.6, 0.2, 0.2], how).unwrap();
    assert!(three.iter().all(|part| part.classes().unwrap().to_vec().contains(&1)), "3 for 3");
    assert_eq!(
        message(data.split([0.4, 0.2, 0.2, 0.2], how)),
        "split: class 1 has 3 samples, too few for all 4 parts: part 1 (fraction 0.2) would have \
         none; use larger parts or `Split::shuffled`"
    );
    assert_eq!(
        message(data.split([0.98, 0.01, 0.01], Split::shuffled(1))),
        "split: part 2 (fraction 0.01) of 10 samples would be empty; make it larger"
    );
    assert_eq!(
        message(data.split_at([&[1], &[2, 10]])),
        "row 10 (entry 1 of the list) is outside of 10 samples"
    );
    assert_eq!(
        message(data.split_at([&[1, 2], &[3], &[2]])),
        "split: row 2 is in part 0 and again in part 2"
    );
    assert_eq!(message(data.split_at([&[1], &[]])), "part 1 of the split has no samples");
    let measured = Dataset::new(data.x().clone(), data.x().map(|x| x + 0.5)).unwrap();
    let text = "stratified split: the label of sample 0 is 0.5: labels are whole numbers from 0 on; \
                split targets that are no classes by `shuffled` alone";
    assert_eq!(message(measured.split([0.5, 0.5], how)), text);
    assert!(measured.split([0.5, 0.5], Split::shuffled(1)).is_ok());
}

//! Folds: each sample tested once, whole groups, the past before the future, the same bits again.

use gradus_autograd::{Rng, Tensor};
use gradus_data::{
    DataError, Dataset, Fold, Folds, FoldsError, KFold, LeaveOneOut, ShuffleSplit, TimeSeriesSplit,
};

use super::message;
use super::split::{labelled, sorted};

#[test]
fn folds_test_each_sample_once() {
    let labels: Vec<usize> = (0..103).map(|row| usize::from(row % 5 == 0)).collect();
    let data = labelled(&labels);
    let folds = KFold::new(5).stratified().shuffled(3).folds(&data).unwrap();
    let tested = folds.iter().flat_map(|fold| fold.test.clone()).collect();
    assert_eq!(sorted(tested), (0..103).collect::<Vec<_>>());
    for fold in &folds {
        assert_eq!(sorted([&fold.train[..], &fold.test].concat()), (0..103).collect::<Vec<_>>());
        assert!((20..=21).contains(&fold.test.len()));
        let ones = fold.test.iter().filter(|&&row| labels[row] == 1).count();
        assert!((4..=5).contains(&ones), "{ones} of 21 in 5 folds");
    }
    assert_eq!(folds, KFold::new(5).stratified().shuffled(3).folds(&data).unwrap());

    // Many classes of odd sizes leave over one sample each: the folds share them evenly.
    let labels: Vec<usize> = (0..9).flat_map(|class| vec![class; 11 + class]).collect();
    let sizes: Vec<usize> = KFold::new(10)
        .stratified()
        .shuffled(1)
        .folds(&labelled(&labels))
        .unwrap()
        .iter()
        .map(|fold| fold.test.len())
        .collect();
    assert_eq!((sizes.iter().min(), sizes.iter().max()), (Some(&13), Some(&14)), "{sizes:?}");
}

/// What holds for every fold of every kind: no row twice, none that does not exist, none empty.
fn check(folds: &[Fold], samples: usize) {
    for fold in folds {
        let mut seen = vec![false; samples];
        for &row in fold.train.iter().chain(&fold.test) {
            assert!(!std::mem::replace(&mut seen[row], true), "row {row} stands twice");
        }
        assert!(!fold.train.is_empty() && !fold.test.is_empty());
    }
}

/// That each repeat tests each sample exactly once, and trains on all others.
fn check_kfold(folds: &[Fold], k: usize, samples: usize) {
    check(folds, samples);
    for round in folds.chunks(k) {
        let tested: Vec<usize> = round.iter().flat_map(|fold| fold.test.clone()).collect();
        assert_eq!(sorted(tested), (0..samples).collect::<Vec<_>>());
        assert!(round.iter().all(|fold| fold.train.len() + fold.test.len() == samples));
    }
}

#[test]
fn k_folds_of_random_labels() {
    let mut looked_at = 0;
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let (n, classes, k) = (10 + rng.below(200), 1 + rng.below(6), 2 + rng.below(9));
        let labels: Vec<usize> = (0..n).map(|_| rng.below(classes) * rng.below(2)).collect();
        let data = labelled(&labels);
        let plain = KFold::new(k);
        for how in [plain.clone(), plain.shuffled(seed), KFold::new(k).shuffled(seed).repeated(3)] {
            let folds = how.folds(&data).unwrap();
            check_kfold(&folds, k, n);
            assert!(folds.iter().all(|f| (n / k..=n.div_ceil(k)).contains(&f.test.len())));
        }
        for how in
            [KFold::new(k).stratified(), KFold::new(k).stratified().shuffled(seed).repeated(2)]
        {
            let folds = match how.folds(&data) {
                Ok(folds) => folds,
                Err(DataError::Folds(FoldsError::ClassTooSmall { count, folds, .. })) => {
                    assert!(count < folds);
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            looked_at += 1;
            check_kfold(&folds, k, n);
            for class in 0..classes {
                let of = |rows: &[usize]| rows.iter().filter(|&&row| labels[row] == class).count();
                let all = of(&(0..n).collect::<Vec<_>>());
                for fold in &folds {
                    let off = (of(&fold.test) as f64 - all as f64 / k as f64).abs();
                    assert!(off < 1.0, "seed {seed}: class {class} is off by {off}");
                }
            }
        }
    }
    assert!(looked_at > 200, "{looked_at}");
}

#[test]
fn groups_stay_together_and_folds_are_even() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let (n, k) = (30 + rng.below(200), 2 + rng.below(5));
        let groups: Vec<usize> = (0..n).map(|_| rng.below(12) * 7).collect();
        let labels: Vec<usize> =
            groups.iter().map(|g| usize::from(rng.below(12) * 7 < *g)).collect();
        let data = labelled(&labels);
        let grouped =
            || KFold::new(k).grouped(groups.iter().map(|group| format!("patient {group}")));
        for how in [
            grouped(),
            grouped().shuffled(seed),
            grouped().stratified(),
            grouped().stratified().shuffled(seed).repeated(2),
        ] {
            let folds = how.folds(&data).unwrap();
            check_kfold(&folds, k, n);
            for fold in &folds {
                let trained: Vec<usize> = fold.train.iter().map(|&row| groups[row]).collect();
                assert!(fold.test.iter().all(|&row| !trained.contains(&groups[row])));
            }
            assert_eq!(folds, how.folds(&data).unwrap());
        }
        // Greedy, by size: no fold is larger than the smallest by more than the largest group.
        let largest = groups.iter().map(|g| groups.iter().filter(|h| *h == g).count()).max();
        let sizes: Vec<usize> =
            grouped().folds(&data).unwrap().iter().map(|f| f.test.len()).collect();
        let (low, high) = (sizes.iter().min(), sizes.iter().max());
        assert!(high.unwrap() - low.unwrap() <= largest.unwrap(), "{sizes:?}");
    }
}

/// Four groups of the same size, two of each class: only one division is balanced.
#[test]
fn stratified_groups_balance_classes() {
    let (mut labels, mut groups) = (Vec::new(), Vec::new());
    for group in 0..8 {
        labels.extend([group / 4; 10]);
        groups.extend([group; 10]);
    }
    let data = labelled(&labels);
    for seed in 0..20 {
        let how = KFold::new(4).stratified().grouped(groups.clone()).shuffled(seed);
        for fold in how.folds(&data).unwrap() {
            assert_eq!(fold.test.iter().map(|&row| labels[row]).sum::<usize>(), 10);
            assert_eq!(fold.test.len(), 20);
        }
    }
}

#[test]
fn in_order_folds_are_those_of_scikit_learn() {
    let data = labelled(&[0; 10]);
    let tests = |k: usize| -> Vec<Vec<usize>> {
        KFold::new(k).folds(&data).unwrap().into_iter().map(|fold| fold.test).collect()
    };
    assert_eq!(tests(3), [vec![0, 1, 2, 3], vec![4, 5, 6], vec![7, 8, 9]]);
    assert_eq!(tests(4), [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7], vec![8, 9]]);
    let folds = LeaveOneOut.folds(&data).unwrap();
    check_kfold(&folds, 10, 10);
    assert_eq!((&folds[3].test[..], &folds[3].train[..4]), (&[3][..], &[0, 1, 2, 4][..]));
}

/// Fixed for all time, as are the rows of a split.
#[test]
fn a_seed_gives_the_same_folds() {
    let data = labelled(&[0, 1].repeat(6));
    let first = |how: KFold| how.folds(&data).unwrap()[0].test.clone();
    assert_eq!(first(KFold::new(3).shuffled(7)), PLAIN);
    assert_eq!(first(KFold::new(3).stratified().shuffled(7)), STRATIFIED);
    assert_ne!(
        KFold::new(3).shuffled(8).folds(&data).unwrap(),
        KFold::new(3).shuffled(7).folds(&data).unwrap()
    );
    let repeated = KFold::new(3).shuffled(7).repeated(2).folds(&data).unwrap();
    assert_eq!(repeated[..3], KFold::new(3).shuffled(7).folds(&data).unwrap());
    assert_ne!(repeated[..3], repeated[3..]);
}
const PLAIN: [usize; 4] = [7, 9, 6, 0];
const STRATIFIED: [usize; 4] = [0, 5, 10, 11];

/// The examples of scikit-learn's documentation of `TimeSeriesSplit`.
#[test]
fn a_time_series_is_tested_after_it_was_trained_on() {
    let of = |how: TimeSeriesSplit, samples: usize| -> Vec<(Vec<usize>, Vec<usize>)> {
        let folds = how.folds(&labelled(&vec![0; samples])).unwrap();
        check(&folds, samples);
        folds.into_iter().map(|fold| (fold.train, fold.test)).collect()
    };
    let to = |end: usize| (0..end).collect::<Vec<_>>();
    assert_eq!(
        of(TimeSeriesSplit::new(5), 6),
        (1..6).map(|test| (to(test), vec![test])).collect::<Vec<_>>()
    );
    assert_eq!(
        of(TimeSeriesSplit::new(3).test_size(2), 12),
        [(to(6), vec![6, 7]), (to(8), vec![8, 9]), (to(10), vec![10, 11])]
    );
    assert_eq!(
        of(TimeSeriesSplit::new(3).test_size(2).gap(2), 12),
        [(to(4), vec![6, 7]), (to(6), vec![8, 9]), (to(8), vec![10, 11])]
    );
    assert_eq!(
        of(TimeSeriesSplit::new(2).test_size(2).max_train_size(3), 8),
        [(vec![1, 2, 3], vec![4, 5]), (vec![3, 4, 5], vec![6, 7])]
    );
    let short = labelled(&[0; 10]);
    let error = message(TimeSeriesSplit::new(4).test_size(2).gap(2).folds(&short));
    assert!(
        error.starts_with("folds: 4 folds of 2 samples to test on, after a gap of 2"),
        "{error}"
    );
    assert!(TimeSeriesSplit::new(10).folds(&short).is_err());
    assert!(TimeSeriesSplit::new(2).test_size(0).folds(&short).is_err());
    assert!(TimeSeriesSplit::new(2).test_size(usize::MAX).gap(usize::MAX).folds(&short).is_err());
}

#[test]
fn given_folds_are_checked() {
    let data = labelled(&[0; 4]);
    let given =
        vec![Fold { train: vec![0, 1], test: vec![2] }, Fold { train: vec![3], test: vec![0] }];
    assert_eq!(given.folds(&data).unwrap(), given);
    let wrong = [Fold { train: vec![0, 1], test: vec![1] }];
    assert_eq!(message(wrong[..].folds(&data)), "split: row 1 is in part 0 and again in part 1");
    let none: &[Fold] = &[];
    assert_eq!(message(none.folds(&data)), "folds: 0 folds of 4 samples: there must be 1 to 4");
}

#[test]
fn messages_say_what_and_where() {
    let data = labelled(&[0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
    for folds in [0, 1, 11, usize::MAX] {
        assert_eq!(
            message(KFold::new(folds).shuffled(1).folds(&data)),
            format!("folds: {folds} folds of 10 samples: there must be 2 to 10")
        );
    }
    assert_eq!(
        message(KFold::new(4).stratified().folds(&data)),
        "folds: class 1 has 3 samples, too few for 4 folds; use fewer folds, or do without `stratified`"
    );
    let measured = Dataset::new(data.x().clone(), data.x().map(|x| x + 0.5)).unwrap();
    assert_eq!(
        message(KFold::new(2).stratified().folds(&measured)),
        "stratified split: the label of sample 0 is 0.5: labels are whole numbers from 0 on; \
         split targets that are no classes by `shuffled` alone"
    );
    assert_eq!(
        message(KFold::new(2).grouped([1, 2, 3]).folds(&data)),
        "folds: 3 groups for 10 samples; give the group of each sample"
    );
    assert_eq!(
        message(KFold::new(3).grouped((0..10).map(|row| row % 2)).folds(&data)),
        "folds: 2 groups are too few for 3 folds; use at most 2"
    );
    assert_eq!(
        message(KFold::new(3).repeated(4).folds(&data)),
        "folds: repeated 4 times; it takes 1 or more times, and `shuffled` for the folds to differ"
    );
    assert!(KFold::new(3).shuffled(1).repeated(0).folds(&data).is_err());
    let long: Dataset =
        Dataset::new(Tensor::ones(&[20_000, 1]), Tensor::ones(&[20_000, 1])).unwrap();
    assert_eq!(
        message(LeaveOneOut.folds(&long)),
        "folds: 20000 folds of 20000 samples: too many to list; use fewer"
    );
    assert!(KFold::new(2).shuffled(1).repeated(usize::MAX).folds(&long).is_err());
}

#[test]
fn random_parts_have_their_sizes_and_classes() {
    let labels: Vec<usize> = (0..90).map(|row| row % 3 / 2).collect();
    let data = labelled(&labels);
    let how = ShuffleSplit::new(30, 5).test_fraction(0.2);
    for (how, exact) in [(how, false), (how.stratified(), true)] {
        let folds = how.folds(&data).unwrap();
        check(&folds, 90);
        assert_eq!(folds, how.folds(&data).unwrap());
        assert!(folds.iter().all(|f| (f.train.len(), f.test.len()) == (72, 18)));
        assert!(folds.windows(2).all(|two| two[0] != two[1]));
        let ones = |fold: &Fold| fold.test.iter().filter(|&&row| labels[row] == 1).count();
        assert_eq!(folds.iter().all(|fold| ones(fold) == 6), exact);
    }
    assert_eq!(ShuffleSplit::new(1, 0).folds(&data).unwrap()[0].test.len(), 9);
    assert_eq!(
        message(ShuffleSplit::new(3, 0).test_fraction(1.5).folds(&data)),
        "split: fraction 0 is -0.5: each must be positive"
    );
    assert!(ShuffleSplit::new(0, 0).folds(&data).is_err());
    assert!(ShuffleSplit::new(usize::MAX, 0).folds(&data).is_err());
}

//! The data sets of this repository, from file to batches.

use std::path::PathBuf;

use gradus_data::{Csv, Dataset, Fold, Folds, Split, StandardScaler, Table};

fn path(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "data-sets", file].iter().collect()
}

#[test]
fn they_are_what_their_readme_says() {
    let csv = Csv::new().skip_lines(1).no_header();
    for (file, shape, counts) in [
        ("breast_cancer.csv", [569, 30], &[212, 357][..]),
        ("iris.csv", [150, 4], &[50, 50, 50]),
        ("wine_data.csv", [178, 13], &[59, 71, 48]),
    ] {
        let data: Dataset = csv.read_path(path(file)).unwrap();
        assert_eq!((data.x().shape(), data.y().shape()), (&shape[..], &[shape[0], 1][..]));
        let classes = data.classes_below(counts.len()).unwrap().to_vec();
        for (class, &count) in counts.iter().enumerate() {
            assert_eq!(classes.iter().filter(|&&c| c == class as i64).count(), count, "{file}");
        }
    }
    let digits: Dataset = Csv::new().no_header().read_path(path("digits.csv")).unwrap();
    assert_eq!(digits.x().shape(), [1797, 64]);
    assert_eq!(digits.x().to_vec().into_iter().fold(0., f32::max), 16.);
    let zeros = digits.classes_below(10).unwrap().to_vec().iter().filter(|&&c| c == 0).count();
    assert_eq!(zeros, 178);
    let wine: Dataset = Csv::new().read_path(path("winequality-red.csv")).unwrap();
    assert_eq!(
        (wine.x().shape(), wine.feature_names()[0].as_str()),
        (&[1599, 11][..], "fixed acidity")
    );
    let spots: Table = Csv::new().read_table_path(path("sunspots.csv")).unwrap();
    assert_eq!((spots.values.shape(), spots.values.at(&[308, 0])), (&[309, 2][..], 2008.));

    let error = Csv::new().read_path::<f32>(path("breast_cancer.csv")).unwrap_err().to_string();
    let end = "breast_cancer.csv, line 2: found 31 cells, expected 4 as in the first line";
    assert!(error.ends_with(end), "{error}");
}

/// Mean and standard deviation (biased) computed with fractions in Python, without rounding, of
/// columns that differ by five orders of magnitude.
#[test]
fn the_scaler_agrees_with_exact_arithmetic() {
    let data: Dataset<f64> =
        Csv::new().skip_lines(1).no_header().read_path(path("breast_cancer.csv")).unwrap();
    let scaler = StandardScaler::fit(&data).unwrap();
    for (feature, mean, std) in EXACT {
        assert!((scaler.mean().at(&[feature]) / mean - 1.).abs() < 1e-13, "{feature}");
        assert!((scaler.std().at(&[feature]) / std - 1.).abs() < 1e-13, "{feature}");
    }
}
const EXACT: [(usize, f64, f64); 4] = [
    (3, 654.8891036906854, 351.60475406323),
    (10, 0.4051720562390158, 0.2770689415253653),
    (13, 40.33707908611599, 45.45101341563996),
    (19, 0.0037949038664323374, 0.0026437447504047374),
];

#[test]
fn the_fixed_splits_are_stratified_and_disjoint() {
    let data: Dataset =
        Csv::new().skip_lines(1).no_header().read_path(path("breast_cancer.csv")).unwrap();
    let splits: Table<f64> = Csv::new()
        .categories("part", ["val", "test"])
        .read_table_path(path("breast_cancer_splits.csv"))
        .unwrap();
    let entries = splits.values.to_vec();
    for seed in 0..20 {
        let rows = |part: usize| -> Vec<usize> {
            let of = entries.chunks_exact(3).filter(|e| e[0] == seed as f64 && e[1] == part as f64);
            of.map(|entry| entry[2] as usize).collect()
        };
        let (val, test) = (rows(0), rows(1));
        let held_out = [&val[..], &test].concat();
        let train: Vec<usize> = (0..569).filter(|row| !held_out.contains(row)).collect();
        let parts = data.split_at([&train, &val, &test]).unwrap();
        assert_eq!(parts.each_ref().map(|part| part.len()), [341, 114, 114]);
        for part in &parts[1..] {
            let benign: i64 = part.classes().unwrap().to_vec().iter().sum();
            assert!((71..=72).contains(&benign), "seed {seed}: {benign}");
        }
    }
    let parts = data.split([0.6, 0.2, 0.2], Split::stratified(0)).unwrap();
    assert_eq!(parts.each_ref().map(|part| part.len()), [341, 114, 114]);
}

#[test]
fn the_fixed_folds_test_each_sample_once() {
    let digits = Csv::new().no_header();
    let others = Csv::new().skip_lines(1).no_header();
    for (data, csv, folds, seeds) in [
        ("digits.csv", &digits, "digits_folds.csv", 3),
        ("iris.csv", &others, "iris_folds.csv", 5),
        ("wine_data.csv", &others, "wine_folds.csv", 5),
    ] {
        let data: Dataset = csv.read_path(path(data)).unwrap();
        let of: Table = Csv::new().read_table_path(path(folds)).unwrap();
        assert_eq!(of.values.shape(), [data.len(), seeds]);
        for seed in 0..seeds {
            let fold = |fold: usize| {
                let is_in = |row: &usize| of.values.at(&[*row, seed]) == fold as f32;
                let (test, train) = (0..data.len()).partition(is_in);
                Fold { train, test }
            };
            let folds: Vec<Fold> = (0..5).map(fold).collect();
            for fold in folds.folds(&data).unwrap() {
                let exact = data.len() / 5;
                assert!((exact..=exact + 1).contains(&fold.test.len()));
            }
        }
    }
}

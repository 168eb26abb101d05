//! Scalers and encoders: what scikit-learn gives, back again, and nothing learnt from the test part.

use gradus_autograd::{Rng, Tensor};
use gradus_data::{
    Csv, Dataset, MinMaxScaler, OneHotEncoder, OrdinalEncoder, Preprocess, RobustScaler,
    SimpleImputer, StandardScaler, Unknown,
};

use super::message;

/// Rounding of a few operations in 64 bits.
const ROUNDING: f64 = 1e-14;

fn data(x: Tensor<f64>) -> Dataset<f64> {
    let n = x.shape()[0];
    Dataset::new(x, Tensor::ones(&[n])).unwrap()
}

#[track_caller]
fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= ROUNDING * b.abs().max(1.0), "{found:?} is not {expected:?}");
    }
}

fn outliers() -> Dataset<f64> {
    data(Tensor::from([
        [1.5, -2., 7., 1e3],
        [0.25, 4., 7., -5.],
        [3., 0.5, 7., 20.],
        [-8., 1.25, 7., 31.],
        [2., 2., 7., 0.5],
        [9., -3., 7., 2.],
        [0.1, 0.2, 7., 3.],
    ]))
}

/// scikit-learn 1.9.1.
#[test]
fn scalers_agree_with_scikit_learn() {
    let train = outliers();
    let ends = |scaled: Tensor<f64>| [scaled.row(0).to_vec(), scaled.row(3).to_vec()].concat();

    let scaler = MinMaxScaler::fit(&train).unwrap().range(-1.0, 2.0);
    close(
        &ends(scaler.transform(train.x()).unwrap()),
        &[
            0.6764705882352942,
            -0.5714285714285715,
            -1.0,
            2.0,
            -1.0,
            0.8214285714285713,
            -1.0,
            -0.8925373134328358,
        ],
    );
    let scaler = RobustScaler::fit(&train).unwrap();
    close(&scaler.median().to_vec(), &[1.5, 0.5, 7.0, 3.0]);
    close(&scaler.spread().to_vec(), &[2.325, 2.5250000000000004, 1.0, 24.25]);
    close(
        &ends(scaler.transform(train.x()).unwrap()),
        &[
            0.0,
            -0.99009900990099,
            0.0,
            41.11340206185567,
            -4.086021505376344,
            0.29702970297029696,
            0.0,
            1.1546391752577319,
        ],
    );
    let scaler = RobustScaler::fit_quantiles(&train, 0.1, 0.95).unwrap();
    close(
        &scaler.spread().to_vec(),
        &[10.339999999999995, 5.799999999999999, 1.0, 710.9999999999993],
    );
}

#[test]
fn every_scaler_goes_there_and_back() {
    for seed in 0..50 {
        let mut rng = Rng::new(seed);
        let (n, width) = (1 + rng.below(40), 1 + rng.below(5));
        let size = 10_f64.powf(rng.uniform() * 40.0 - 20.0);
        let train = data(Tensor::from_fn(&[n, width, 2], |_| rng.normal() * size));
        let later = Tensor::from_fn(&[3, width, 2], |_| rng.normal() * size);
        let all: [Box<dyn Preprocess<f64>>; 3] = [
            Box::new(StandardScaler::fit(&train).unwrap()),
            Box::new(MinMaxScaler::fit(&train).unwrap().range(-3.0, 5.0)),
            Box::new(RobustScaler::fit(&train).unwrap()),
        ];
        for scaler in all {
            for x in [train.x(), &later] {
                let scaled = scaler.transform(x).unwrap();
                assert_eq!(scaled.shape(), x.shape());
                let back = scaler.inverse(&scaled).unwrap().to_vec();
                for (a, b) in back.iter().zip(x.to_vec()) {
                    assert!((a - b).abs() < 1e-12 * size.max(b.abs()), "seed {seed}: {a} {b}");
                }
            }
        }
        let scaled = MinMaxScaler::fit(&train).unwrap().transform(train.x()).unwrap();
        assert!(scaled.to_vec().iter().all(|x| (0.0..=1.0).contains(x)));
    }
}

#[test]
fn scalers_refuse_what_they_cannot_hold() {
    let wide = data(Tensor::from([[0., f64::MAX], [1., f64::MIN]]));
    let expected = "feature 1: its numbers are too large, or too close, to be scaled";
    assert_eq!(message(MinMaxScaler::fit(&wide)), expected);
    assert_eq!(message(RobustScaler::fit(&wide)), expected);
    let scaler = RobustScaler::fit(&outliers()).unwrap();
    let mut other = data(Tensor::ones(&[2, 3]));
    assert_eq!(
        message(scaler.apply(&mut other)),
        "fitted on samples of shape [4], these have shape [3]"
    );
    assert_eq!(other.x().to_vec(), [1.; 6]);
    let no_features = data(Tensor::ones(&[2, 0]));
    let scaled = MinMaxScaler::fit(&no_features).unwrap().transform(no_features.x());
    assert_eq!(scaled.unwrap().shape(), [2, 0]);
}

#[test]
#[should_panic(expected = "range: from 1 to 1: they must be finite and ascending")]
fn a_range_has_two_ends() {
    let _ = MinMaxScaler::fit(&outliers()).unwrap().range(1.0, 1.0);
}

const SHOP: &str =
    "kind,size,colour,label\ncat,0.5,red,0\nant,0.25,blue,1\ndog,1,red,1\ncat,2,green,0\n";

fn shop() -> Dataset<f64> {
    let csv = Csv::new();
    let texts = |column| csv.distinct(column, SHOP.as_bytes()).unwrap();
    assert_eq!(texts("colour"), ["blue", "green", "red"]);
    let csv = Csv::new().categories("kind", texts("kind")).categories("colour", texts("colour"));
    csv.read(SHOP.as_bytes()).unwrap()
}

#[test]
fn one_hot_columns_stand_where_the_column_stood() {
    let mut data = shop();
    let encoder = OneHotEncoder::fit(&data, ["kind", "colour"]).unwrap();
    assert_eq!((encoder.categories(0), encoder.categories(1)), (&[0., 1., 2.][..], &[][..]));
    let before = data.x().clone();
    encoder.apply(&mut data).unwrap();
    let names = ["kind_0", "kind_1", "kind_2", "size", "colour_0", "colour_1", "colour_2"];
    assert_eq!(data.feature_names(), names);
    assert_eq!(
        data.x(),
        &Tensor::from([
            [0., 1., 0., 0.5, 0., 0., 1.],
            [1., 0., 0., 0.25, 1., 0., 0.],
            [0., 0., 1., 1., 0., 0., 1.],
            [0., 1., 0., 2., 0., 1., 0.],
        ])
    );
    assert_eq!(encoder.inverse(data.x()).unwrap(), before);
    assert_eq!(data.class_names().len(), 0);

    let ordinal = OrdinalEncoder::fit(&shop(), ["kind", "colour"]).unwrap();
    let same = ordinal.transform(&before).unwrap();
    assert_eq!((&same, &ordinal.inverse(&same).unwrap()), (&before, &before));
}

#[test]
fn an_unknown_category_is_an_error_or_none() {
    let data = shop();
    let later = Tensor::from([[1., 7.5, 0.], [5., 7.5, f64::NAN]]);
    let strict = OneHotEncoder::fit(&data, ["kind", "colour"]).unwrap();
    assert_eq!(
        message(strict.transform(&later)),
        "sample 1, feature 0 is 5: none of the categories [0.0, 1.0, 2.0] of the fit; if that may \
         be, say `unknown(Unknown::Ignore)`"
    );
    let encoder = strict.unknown(Unknown::Ignore);
    let encoded = encoder.transform(&later).unwrap();
    assert_eq!(encoded.row(1).to_vec(), [0., 0., 0., 7.5, 0., 0., 0.]);
    let back = encoder.inverse(&encoded).unwrap().row(1).to_vec();
    assert!(back[0].is_nan() && back[2].is_nan() && back[1] == 7.5);

    let ordinal = OrdinalEncoder::fit(&data, [0]).unwrap();
    assert!(ordinal.transform(&later).is_err());
    let ordinal = ordinal.unknown(Unknown::Ignore);
    let encoded = ordinal.transform(&later).unwrap().to_vec();
    assert!(encoded[3].is_nan() && encoded[0] == 1.0);
    let back = ordinal.inverse(&Tensor::from([[-1.0_f64, 0., 0.], [0.5, 0., 0.], [1e300, 0., 0.]]));
    assert!(back.unwrap().to_vec().chunks(3).all(|row| row[0].is_nan()));

    // From the text on: an unknown one is refused by its place, or read as NaN.
    let csv = Csv::new().categories("kind", ["ant", "cat"]).categories("colour", ["red"]);
    let file = "kind,size,colour,label\nbee,1,red,0\n";
    assert_eq!(
        message(csv.read::<f32>(file.as_bytes())),
        "line 2, column 1 (kind): \"bee\" is none of the categories [\"ant\", \"cat\"]"
    );
    let csv = csv.unknown(Unknown::Ignore);
    let read: Dataset = csv.read(file.as_bytes()).unwrap();
    assert!(read.x().at(&[0, 0]).is_nan() && read.x().at(&[0, 2]) == 0.0);
    let label = csv.categories("label", ["no"]).read::<f32>(file.as_bytes());
    assert!(message(label).starts_with("y[0, 0] is NaN: not finite"));
}

#[test]
fn encoders_refuse_what_are_no_columns_of_categories() {
    assert_eq!(
        message(OneHotEncoder::fit(&data(Tensor::ones(&[2, 3, 4])), [0])),
        "x has shape [2, 3, 4]: columns of categories need samples in rows, [n, columns]"
    );
    assert_eq!(
        message(OneHotEncoder::fit(&shop(), ["taste"])),
        "the input: no column \"taste\"; the header has kind, size, colour"
    );
    assert!(OneHotEncoder::fit(&shop(), [3]).is_err());
    let encoder = OneHotEncoder::fit(&shop(), [0]).unwrap();
    assert!(encoder.transform(&Tensor::<f64>::ones(&[2, 4])).is_err());
    assert!(encoder.transform(&Tensor::<f64>::scalar(1.)).is_err());
    assert!(encoder.inverse(&Tensor::<f64>::ones(&[2, 3])).is_err());
    // 0 and −0 are one category.
    let zeros = OneHotEncoder::fit(&data(Tensor::from([[0.0], [-0.0], [1.0]])), [0]).unwrap();
    assert_eq!(zeros.categories(0), [0.0, 1.0]);
    assert!(zeros.transform(&Tensor::from([[-0.0_f64]])).is_ok());
}

#[test]
fn balanced_weights_are_those_of_scikit_learn() {
    let y = Tensor::from([0., 0., 0., 1., 3., 3.]);
    let data = Dataset::<f64>::new(y.clone(), y).unwrap();
    let weights = data.balanced_class_weights(5).unwrap();
    close(&weights, &[0.6666666666666666, 2.0, 0.0, 1.0, 0.0]);
    assert!(data.balanced_class_weights(3).is_err());
}

#[test]
fn gaps_are_filled_with_what_is_usual() {
    const GAP: f64 = f64::NAN;
    let file = "a,b,label\n1,2,0\n,2,1\n1,,1\n10,7,0\n";
    let data: Dataset<f64> =
        Csv::new().missing(gradus_data::Missing::Nan).read(file.as_bytes()).unwrap();
    let fills = [SimpleImputer::fit, SimpleImputer::fit_median, SimpleImputer::fit_most_frequent];
    let fills = fills.map(|fit| fit(&data).unwrap().fill().to_vec());
    close(&fills.concat(), &[4.0, 11.0 / 3.0, 1.0, 2.0, 1.0, 2.0]);

    let imputer = SimpleImputer::fit_median(&data).unwrap();
    let mut filled = data.clone();
    imputer.apply(&mut filled).unwrap();
    filled.check_finite().unwrap();
    assert_eq!(filled.x().row(1).to_vec(), [1.0, 2.0]);
    assert_eq!(filled.feature_names(), ["a", "b"]);
    let both = (imputer, MinMaxScaler::fit(&filled).unwrap());
    close(&both.transform(&Tensor::from([[GAP, 4.5]])).unwrap().to_vec(), &[0.0, 0.5]);
    close(&both.inverse(&Tensor::from([[1.0, 1.0]])).unwrap().to_vec(), &[10.0, 7.0]);

    let error = message(both.transform(&Tensor::from([[GAP]])));
    assert_eq!(error, "fitted on samples of shape [2], these have shape [1]");
    let csv = Csv::new().missing(gradus_data::Missing::Nan).allow_non_finite();
    let read = |file: &str| csv.read::<f64>(file.as_bytes()).unwrap();
    assert_eq!(
        message(SimpleImputer::fit(&read("a,b,label\n1,,0\n2,,0\n"))),
        "feature 1 is missing in every sample: there is nothing to fill it with"
    );
    let error = message(SimpleImputer::fit(&read("a,b,label\n1,inf,0\n2,,0\n")));
    assert!(error.starts_with("x[0, 1] (b) is inf: not finite"), "{error}");
    // The mean of numbers whose sum is too large.
    let large = Dataset::new(Tensor::from([[f64::MAX], [f64::MAX]]), Tensor::ones(&[2])).unwrap();
    assert_eq!(SimpleImputer::fit(&large).unwrap().fill().to_vec(), [f64::MAX]);
}

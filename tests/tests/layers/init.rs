//! Initialisers, rows 29 to 31.

use gradus::autograd::Initializer;
use gradus::nn::init::fans;
use gradus::prelude::*;
use gradus_tests::golden::{self, as_f64};

use super::kernel;

/// Sample statistics may be off by this part.
const SAMPLE: f64 = 0.02;
/// The excess kurtosis of 60,000 samples may be off by this.
const KURTOSIS: f64 = 0.06;

/// Mean, standard deviation, largest magnitude, excess kurtosis.
fn moments(values: &[f64]) -> [f64; 4] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let central = |power: i32| values.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / n;
    let (var, largest) = (central(2), values.iter().fold(0.0, |a: f64, x| a.max(x.abs())));
    [mean, var.sqrt(), largest, central(4) / (var * var) - 3.0]
}

fn sample(initializer: &dyn Initializer<f64>, shape: &[usize]) -> [f64; 4] {
    moments(&as_f64(&initializer.sample(shape, &mut Rng::new(5))))
}

#[test]
fn initializers_as_keras() {
    let table = golden::read("keras_initializers");
    assert!(!table.cases.is_empty());
    for case in &table.cases {
        let initializer: &dyn Initializer<f64> = match case.text("initializer") {
            "GlorotUniform" => &GlorotUniform,
            "GlorotNormal" => &GlorotNormal,
            "HeNormal" => &HeNormal,
            "HeUniform" => &HeUniform,
            other => panic!("{}: no initialiser {other}: add it", case.name),
        };
        let shape: Vec<usize> =
            case.list("shape").expect("a shape").iter().map(|&n| n as usize).collect();
        assert_eq!(
            fans(&shape),
            (case.number("fan_in", f64::NAN), case.number("fan_out", f64::NAN)),
            "{}",
            case.name
        );
        let expected = |name: &str| golden::number(&case.entry["statistics"][name]);
        let [mean, std, largest, kurtosis] = sample(initializer, &shape);
        assert!(mean.abs() < SAMPLE * std, "{}: mean {mean}", case.name);
        assert!((std / expected("std") - 1.0).abs() < SAMPLE, "{}: std {std}", case.name);
        assert!(
            (largest / expected("max_abs") - 1.0).abs() < SAMPLE,
            "{}: largest {largest}",
            case.name
        );
        assert!(
            (kurtosis - expected("excess_kurtosis")).abs() < KURTOSIS,
            "{}: kurtosis {kurtosis}",
            case.name
        );
    }
}

#[test]
fn sample_variances() {
    let (glorot, he) = (2.0 / 500.0, 2.0 / 300.0);
    // The standard deviation of a standard normal that is cut at ±2.
    let cut = 0.879_625_661_034_239_8;
    let normal = |mean, std| Normal { mean, std };
    // Name, initialiser, mean, variance, most |x − mean| (0: no bound), excess kurtosis.
    type Expected<'a> = (&'a str, &'a dyn Initializer<f64>, f64, f64, f64, f64);
    let all: &[Expected] = &[
        ("GlorotUniform", &GlorotUniform, 0.0, glorot, (3.0 * glorot).sqrt(), -1.2),
        ("GlorotNormal", &GlorotNormal, 0.0, glorot, 2.0 * glorot.sqrt() / cut, -0.634),
        ("XavierNormal", &XavierNormal, 0.0, glorot, 0.0, 0.0),
        ("HeUniform", &HeUniform, 0.0, he, (3.0 * he).sqrt(), -1.2),
        ("HeNormal", &HeNormal, 0.0, he, 2.0 * he.sqrt() / cut, -0.634),
        ("KaimingNormal", &KaimingNormal, 0.0, he, 0.0, 0.0),
        ("Normal", &normal(0.5, 2.0), 0.5, 4.0, 0.0, 0.0),
        (
            "TruncatedNormal",
            &TruncatedNormal { mean: -1.0, std: 3.0 },
            -1.0,
            (3.0 * cut).powi(2),
            6.0,
            -0.634,
        ),
        ("Uniform", &Uniform { low: -1.0, high: 5.0 }, 2.0, 3.0, 3.0, -1.2),
    ];
    for &(name, initializer, mean, variance, bound, kurtosis) in all {
        let values = as_f64(&initializer.sample(&[300, 200], &mut Rng::new(5)));
        let [m, std, _, k] = moments(&values);
        assert!((m - mean).abs() < SAMPLE * variance.sqrt(), "{name}: mean {m}");
        assert!(
            (std * std / variance - 1.0).abs() < SAMPLE,
            "{name}: variance {}, not {variance}",
            std * std
        );
        assert!((k - kurtosis).abs() < KURTOSIS, "{name}: kurtosis {k}");
        let farthest = values.iter().fold(0.0, |a: f64, x| a.max((x - mean).abs()));
        match bound > 0.0 {
            true => assert!(
                farthest <= bound && farthest > bound * (1.0 - SAMPLE),
                "{name}: {farthest}, {bound}"
            ),
            false => assert!(farthest > 3.5 * variance.sqrt(), "{name}: is not cut"),
        }
    }
    let zeros: Tensor<f64> = Zeros.sample(&[3, 2], &mut Rng::new(5));
    assert_eq!(zeros, Tensor::zeros(&[3, 2]));
    let threes: Tensor<f64> = Constant(3.0).sample(&[3, 2], &mut Rng::new(5));
    assert_eq!(threes, Tensor::full(&[3, 2], 3.0));
}

/// Row 30: from the layout that is stored, `[field.., inputs, outputs]`.
#[test]
fn fans_of_the_stored_layout() {
    assert_eq!(fans(&[300, 200]), (300.0, 200.0));
    assert_eq!(fans(&[3, 5, 64, 128]), (15.0 * 64.0, 15.0 * 128.0));
    assert_eq!(fans(&[7, 2, 3]), (14.0, 21.0));
    assert_eq!(fans(&[9]), (9.0, 9.0));
    assert_eq!(fans(&[]), (1.0, 1.0));
    // Dense stores [inputs, units]: He takes the inputs.
    let layer = Dense::<f64>::new(50).inputs(1000).kernel_initializer(HeNormal).init(1);
    let [_, std, ..] = moments(&as_f64(layer.param("kernel").expect("a kernel").value()));
    assert!((std * std / (2.0 / 1000.0) - 1.0).abs() < SAMPLE, "{std}");
}

/// Row 31.
#[test]
fn two_layers_never_share_values_and_another_layer_changes_none() {
    let two = || Sequential::<f64>::new().add(Dense::new(8)).add(Dense::new(8));
    let model = two().build(&[8], 3).expect("a model");
    let (first, second) = (kernel(&model, "dense.kernel"), kernel(&model, "dense_1.kernel"));
    assert!(first.iter().all(|x| !second.contains(x)));
    // More layers before, between and behind.
    let more =
        Sequential::new().add(Dropout::new(0.1)).add(Dense::new(8)).add(BatchNorm::new()).add(Relu);
    let more = more.add(Dense::new(8)).add(Dense::new(3)).build(&[8], 3).expect("a model");
    assert_eq!(
        (kernel(&more, "dense.kernel"), kernel(&more, "dense_1.kernel")),
        (first.clone(), second)
    );
    let other = two().build(&[8], 4).expect("a model");
    assert_ne!(kernel(&other, "dense.kernel"), first);
    let same = two().build(&[8], 3).expect("a model");
    assert_eq!(kernel(&same, "dense.kernel"), first);
}

#[test]
fn a_field_more_changes_no_other() {
    #[derive(Debug, Module)]
    struct Two {
        a: Dense<f64>,
        b: Dense<f64>,
    }
    #[derive(Debug, Module)]
    struct Three {
        new: Dense<f64>,
        b: Dense<f64>,
        a: Dense<f64>,
    }
    let dense = || Dense::new(4).inputs(4);
    let two = Two { a: dense(), b: dense() }.init(9);
    let three = Three { new: dense(), b: dense(), a: dense() }.init(9);
    for path in ["a.kernel", "b.kernel"] {
        assert_eq!(kernel(&two, path), kernel(&three, path));
    }
    assert_ne!(kernel(&two, "a.kernel"), kernel(&two, "b.kernel"));
    assert_ne!(kernel(&three, "new.kernel"), kernel(&three, "a.kernel"));
}

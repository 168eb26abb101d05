//! What is not run here, or has another right answer than the table, and why.

use gradus_tests::golden::Listed;

/// Cases that the operations cannot express: table, cases, reason.
pub const NOT_YET: &[Listed] = &[];

/// Tables that another file runs.
pub const ELSEWHERE: &[(&str, &str)] = &[
    ("bce", "layers/losses.rs"),
    ("cnn_training", "golden/training.rs"),
    ("grad_clip", "golden/optim.rs"),
    ("hypergradient", "differentiable/golden.rs"),
    ("keras_callbacks", "training/early_stopping.rs"),
    ("keras_fit", "golden/training.rs"),
    ("keras_initializers", "layers/init.rs"),
    ("keras_losses", "layers/losses.rs"),
    ("keras_lr_schedules", "../../optim/tests/schedules.rs"),
    ("keras_metrics", "training/metrics.rs"),
    ("keras_optimizers", "golden/optim.rs"),
    ("keras_rnn", "../../nn/tests/sequence/golden.rs"),
    ("lbfgs", "../../optim/tests/optimizers/lbfgs.rs"),
    ("least_squares_training", "golden/training.rs"),
    ("lr_schedules", "../../optim/tests/schedules.rs"),
    ("mlp_bn_training", "golden/training.rs"),
    ("multihead_attention", "../../nn/tests/sequence/golden.rs"),
    ("optimizers", "golden/optim.rs"),
    ("rnn_cells", "../../nn/tests/sequence/golden.rs"),
    ("rnn_layers", "../../nn/tests/sequence/golden.rs"),
];

/// Corners at which NUMERICS chooses another derivative than PyTorch: table, case, row, input, the
/// gradient that is right here.
pub const OTHERWISE: &[(&str, usize, u32, &str, &[f64])] = &[
    // clamp and hardtanh at a bound: PyTorch gives 0; row 6 gives 1, as JAX.
    ("activations", 15, 6, "x", &[0.7578125, 0.8515625]),
    ("clamp", 2, 6, "x", &[-1.1171875, -0.4609375, -0.6328125, 0.0]),
    // max over an axis: PyTorch gives all to the first; row 4 splits evenly.
    (
        "reductions",
        12,
        4,
        "x",
        &[
            -0.6171875 / 4.0,
            -0.6171875 / 4.0,
            -0.6171875 / 4.0,
            -0.6171875 / 4.0,
            0.0,
            0.0,
            -0.3671875,
            0.0,
        ],
    ),
];

//! What is not run here, or has another right answer than the table, and why.

use gradus_tests::golden::Listed;

/// Cases that the operations cannot express: table, cases, reason.
pub const NOT_YET: &[Listed] = &[
    ("activations", &[13, 14, 15, 20, 21], "no clamp yet: minimum and maximum share at the bounds"),
    ("binary_broadcast", &[8], "no atan2 yet"),
    ("indexing", &[2, 3, 5], "scatter_add is not public yet"),
    ("indexing", &[8], "no one_hot yet"),
    ("reductions", &[5, 6, 23], "no prod yet"),
    ("shape_ops", &[6], "no reflecting pad yet"),
    ("shape_ops", &[14], "no unfold yet"),
    ("shape_ops", &[15, 16], "no upsampling yet"),
    ("unary", &[9, 10, 12, 13], "no inverse sine, tangent, or inverse hyperbolic functions yet"),
    ("unary", &[20], "no lgamma yet"),
    ("unary", &[21, 22, 26], "no rounding yet"),
];

/// Tables of which nothing is run here.
pub const OTHER: &[(&str, &str)] = &[
    ("adaptive_pool2d", "no pooling yet"),
    ("avg_pool1d", "no pooling yet"),
    ("avg_pool2d", "no pooling yet"),
    ("clamp", "no clamp yet"),
    ("cnn_training", "no convolution yet"),
    ("conv1d", "no convolution yet"),
    ("conv2d", "no convolution yet"),
    ("conv3d", "no convolution yet"),
    ("conv_transpose1d", "no convolution yet"),
    ("conv_transpose2d", "no convolution yet"),
    ("cumulative", "no scans yet"),
    ("einsum", "no einsum yet"),
    ("group_norm", "no group norm yet"),
    ("huber_loss", "no such loss yet"),
    ("instance_norm", "no instance norm yet"),
    ("keras_conv_pool", "no convolution or pooling yet"),
    ("keras_norm", "no layer or group norm yet"),
    ("keras_rnn", "no recurrent layers yet"),
    ("kl_div", "no such loss yet"),
    ("layer_norm", "no layer norm yet"),
    ("lbfgs", "no L-BFGS yet"),
    ("linalg", "no linear algebra yet"),
    ("logsumexp_edge", "no logsumexp yet; a composed one cannot have its corners"),
    ("loss_misc", "no such losses yet"),
    ("max_pool1d", "no pooling yet"),
    ("max_pool2d", "no pooling yet"),
    ("multihead_attention", "no attention yet"),
    ("nll_loss", "no such loss yet"),
    ("norm_edge", "no norm yet; tested as a composition in numerics/kinks.rs, row 7"),
    ("rms_norm", "no such norm yet"),
    ("rnn_cells", "no recurrent layers yet"),
    ("rnn_layers", "no recurrent layers yet"),
    ("smooth_l1_loss", "no such loss yet"),
    ("sort_topk", "no sorting yet"),
];

/// Tables that another file runs.
pub const ELSEWHERE: &[(&str, &str)] = &[
    ("bce", "layers/losses.rs"),
    ("grad_clip", "golden/optim.rs"),
    ("hypergradient", "differentiable/golden.rs"),
    ("keras_callbacks", "training/early_stopping.rs"),
    ("keras_fit", "golden/training.rs"),
    ("keras_initializers", "layers/init.rs"),
    ("keras_losses", "layers/losses.rs"),
    ("keras_lr_schedules", "../../optim/tests/schedules.rs"),
    ("keras_metrics", "training/metrics.rs"),
    ("keras_optimizers", "golden/optim.rs"),
    ("least_squares_training", "golden/training.rs"),
    ("lr_schedules", "../../optim/tests/schedules.rs"),
    ("mlp_bn_training", "golden/training.rs"),
    ("optimizers", "golden/optim.rs"),
];

/// Corners at which NUMERICS chooses another derivative than PyTorch: table, case, row, input, the
/// gradient that is right here.
pub const OTHERWISE: &[(&str, usize, u32, &str, &[f64])] = &[
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

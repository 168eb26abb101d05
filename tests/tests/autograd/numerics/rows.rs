//! Each point of NUMERICS, and where its tests are.

use std::path::Path;

/// Number, point, file, tests in it.
const ROWS: &[(u32, &str, &str, &[&str])] = &[
    (1, "a kink in general", KINKS, &["row_01_kinks_follow_one_principle"]),
    (2, "relu at 0", KINKS, &["row_02_relu_at_0"]),
    (3, "abs at 0", KINKS, &["row_03_abs_at_0"]),
    (4, "ties over an axis", KINKS, &["row_04_ties_over_an_axis_share_evenly"]),
    (5, "ties of two", KINKS, &["row_05_ties_of_two_share_evenly"]),
    (6, "clamp at a bound", KINKS, &["row_06_clamp_at_its_bounds"]),
    (7, "norm at 0", KINKS, &["row_07_norm_at_0"]),
    (8, "sqrt at 0", KINKS, &["row_08_sqrt_at_0_is_not_hidden"]),
    (9, "pow", KINKS, &["row_09_pow_in_its_corners"]),
    (10, "products with zeros", KINKS, &["row_10_products_with_zeros"]),
    (
        11,
        "where, masks",
        NOT_FINITE,
        &["row_11_the_dead_branch_receives_exactly_0", "row_11_a_dead_unit_passes_nothing_on"],
    ),
    (12, "NaN in, NaN out", NOT_FINITE, &["row_12_nan_in_nan_out", "row_12_nan_in_nan_out_in_f32"]),
    (
        13,
        "far out",
        NOT_FINITE,
        &["row_13_far_out_is_finite_and_correct", "row_13_rows_of_minus_infinity_are_defined"],
    ),
    (14, "constants in double precision", NOT_FINITE, &["row_14_constants_in_double_precision"]),
    (15, "repeated indices", GRAPH, &["row_15_repeated_indices_accumulate"]),
    (16, "concatenation, some parts tracked", GRAPH, &["row_16_slices_do_not_shift"]),
    (17, "broadcasting", GRAPH, &["row_17_gradients_have_the_shape_of_the_input"]),
    (18, "an input used twice", GRAPH, &["row_18_an_input_used_twice"]),
    (
        19,
        "no derivative",
        GRAPH,
        &[
            "row_19_no_gradient_is_told_apart_from_zero",
            "row_19_an_operation_without_a_derivative_is_named",
            "row_19_constants_have_no_gradient_by_the_recorded_pass",
            "row_19_gradients_of_a_tape_that_is_gone",
        ],
    ),
    (20, "variance of batch norm", STATISTICS, &["row_20_normalisation_uses_the_biased_variance"]),
    (
        20,
        "running variance",
        BATCH_NORM,
        &["a_forward_pass_changes_no_statistics_and_the_step_does"],
    ),
    (
        21,
        "momentum and epsilon of batch norm",
        BATCH_NORM,
        &[
            "a_forward_pass_changes_no_statistics_and_the_step_does",
            "row_21_momentum_and_epsilon_of_both_frameworks",
        ],
    ),
    (
        22,
        "batch norm of one value a channel",
        STATISTICS,
        &["row_22_one_value_a_channel_is_an_error"],
    ),
    (23, "dropout", STATISTICS, &["row_23_dropout"]),
    (24, "the epsilon of Adam", "golden/optim.rs", &["trajectories_in_f64", "trajectories_in_f32"]),
    (
        25,
        "the step count of Adam",
        "golden/optim.rs",
        &["the_first_step_of_adam_is_the_learning_rate", "state_survives_a_copy_of_the_model"],
    ),
    (25, "the same in a file", "../../optim/tests/state.rs", &["of_every_rule"]),
    (
        26,
        "differentiating Adam where v = 0",
        "differentiable/steps.rs",
        &[
            "adam_at_a_gradient_of_zero_has_the_exact_derivative",
            "with_a_floor_under_the_root_the_derivative_at_zero_is_small",
        ],
    ),
    (27, "weight decay", "golden/optim.rs", &["adam_and_adamw_decay_differently"]),
    (28, "L2 regulariser", "layers/regularizers.rs", &["regularizers_and_their_gradients"]),
    (29, "Glorot, He normal", "layers/init.rs", &["initializers_as_keras", "sample_variances"]),
    (30, "fan-in, fan-out", "layers/init.rs", &["fans_of_the_stored_layout"]),
    (30, "of convolutions", "../../nn/tests/layers/space.rs", &["kernels_start_by_their_fans"]),
    (
        31,
        "seeds",
        "layers/init.rs",
        &[
            "two_layers_never_share_values_and_another_layer_changes_none",
            "a_field_more_changes_no_other",
        ],
    ),
    (32, "weighted mean of a loss", STATISTICS, &["row_32_a_weighted_mean_divides_by_the_weights"]),
    (
        33,
        "var, std",
        STATISTICS,
        &[
            "row_33_the_divisor_is_named",
            "row_33_too_few_values_have_no_variance",
            "row_33_std_of_a_constant",
        ],
    ),
    (
        34,
        "early stopping",
        "training/early_stopping.rs",
        &[
            "min_delta_follows_the_direction",
            "nan_is_no_improvement",
            "an_unknown_monitor_is_an_error_before_training",
            "the_best_weights_come_back_also_when_training_was_not_cut_short",
        ],
    ),
    (
        35,
        "clipping by global norm",
        "differentiable/clip.rs",
        &[
            "a_gradient_of_zero",
            "a_gradient_that_is_not_finite_is_named_and_no_step_is_taken",
            "derivatives_to_order_two_with_respect_to_gradients_and_threshold",
        ],
    ),
    (36, "deep graphs", GRAPH, &["row_36_a_million_operations_in_a_chain"]),
    (37, "two backward passes", GRAPH, &["row_37_two_backward_passes"]),
];

const KINKS: &str = "autograd/numerics/kinks.rs";
const NOT_FINITE: &str = "autograd/numerics/not_finite.rs";
const GRAPH: &str = "autograd/numerics/graph.rs";
const STATISTICS: &str = "autograd/numerics/statistics.rs";
const BATCH_NORM: &str = "layers/batch_norm.rs";

/// No row is without a test, and all those named above exist.
#[test]
fn every_row_has_its_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for (row, point, file, tests) in ROWS {
        let text = std::fs::read_to_string(folder.join(file))
            .unwrap_or_else(|why| panic!("{file}: {why}"));
        assert!(!tests.is_empty(), "row {row}, {point}: no test");
        for test in *tests {
            let found = text
                .split(&format!("fn {test}()"))
                .next()
                .filter(|before| before.len() < text.len());
            let marked =
                found.is_some_and(|before| before.rfind("#[test]") > before.rfind("\n}\n"));
            assert!(marked, "row {row}, {point}: {file} has no test `{test}`");
        }
    }
    let rows: std::collections::BTreeSet<u32> = ROWS.iter().map(|(row, ..)| *row).collect();
    assert!(rows.into_iter().eq(1..=37));
}

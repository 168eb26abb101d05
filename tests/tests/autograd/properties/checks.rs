//! Gradient checks of orders 1 and 2 through random views.

use gradus_autograd::check::gradcheck;
use gradus_autograd::{Activation, Rng, Tensor, Var, fused};
use proptest::prelude::*;

use super::*;

/// A gradient check of orders 1 and 2 through a view.
fn checked(
    shapes: &[&[usize]],
    hows: &[How],
    seed: u64,
    f: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
) {
    let draw = |(i, (shape, &how)): (usize, (&&[usize], &How))| {
        Tensor::rand(&leaf_shape(how, shape), 0.5, 1.5, &mut Rng::new(seed.wrapping_add(i as u64)))
    };
    let leaves: Vec<Tensor<f64>> = shapes.iter().zip(hows).enumerate().map(draw).collect();
    gradcheck(
        |v| {
            let views: Vec<_> = v
                .iter()
                .zip(hows)
                .zip(shapes)
                .map(|((v, &how), shape)| view(how, *v, shape))
                .collect();
            f(&views)
        },
        &leaves,
    )
    .unwrap_or_else(|wrong| panic!("{wrong}\nshapes {shapes:?}, {hows:?}"));
}

/// Shapes whose full Hessians are small, now and then without elements.
fn small() -> impl Strategy<Value = [usize; 2]> {
    prop::array::uniform2(prop_oneof![1 => Just(0_usize), 8 => 1..4_usize])
}

proptest! {
    #![proptest_config(config(CHECKS))]

    #[test]
    fn check_elementwise([m, n] in small(), hows in prop::array::uniform2(how()), seed in any::<u64>()) {
        checked(&[&[m, n], &[n]], &hows, seed, |v| (v[0] * v[1]).tanh() / v[1]);
        checked(&[&[m, 1], &[1, n]], &hows, seed, |v| v[0].pow(v[1]) + v[0].softplus().ln());
        checked(&[&[m, n], &[]], &hows, seed, |v| fused!(|x, c| (x * c).sigmoid() * x.gelu())(v[0], v[1]));
    }

    #[test]
    fn check_reductions([m, n] in small(), hows in prop::array::uniform1(how()), seed in any::<u64>()) {
        checked(&[&[m, 2, n]], &hows, seed, |v| v[0].sum_axes(&[0, -1]).tanh());
        checked(&[&[m, n]], &hows, seed, |v| (v[0] * v[0]).sum().sin());
        if m > 0 {
            checked(&[&[m, n]], &hows, seed, |v| v[0].mean_axes(&[0]).exp());
            checked(&[&[m + 1, n]], &hows, seed, |v| v[0].var_axes(&[0], 1));
        }
    }

    #[test]
    fn check_products([m, n] in small(), k in 0..3_usize, hows in prop::array::uniform3(how()), seed in any::<u64>()) {
        checked(&[&[m, k], &[k, n]], &hows[..2], seed, |v| v[0].matmul(v[1]).tanh());
        checked(&[&[2, m, k], &[k, n]], &hows[..2], seed, |v| v[0].matmul(v[1]));
        checked(&[&[m, k], &[2, k, n]], &hows[..2], seed, |v| v[0].matmul(v[1]));
        checked(&[&[m, k], &[k, n], &[n]], &hows, seed, |v| v[0].linear(v[1], Some(v[2]), Activation::Sigmoid));
    }

    #[test]
    fn check_shapes([m, n] in small(), hows in prop::array::uniform2(how()), seed in any::<u64>()) {
        checked(&[&[m, n]], &hows[..1], seed, |v| v[0].t().reshape(&[v[0].value().len()]).exp());
        checked(&[&[m, n], &[m, 2]], &hows, seed, |v| v[0].tape().concat(&[v[0], v[1], v[0]], 1).tanh());
        checked(&[&[m, n]], &hows[..1], seed, |v| v[0].slice(1, 0..v[0].shape()[1] / 2).exp());
        checked(&[&[m, 1]], &hows[..1], seed, |v| v[0].broadcast_to(&[2, v[0].shape()[0], 3]).tanh());
    }

    #[test]
    fn check_softmax_and_losses([m, n] in small(), hows in prop::array::uniform2(how()), seed in any::<u64>()) {
        checked(&[&[m, n]], &hows[..1], seed, |v| v[0].softmax(0));
        checked(&[&[m, n]], &hows[..1], seed, |v| v[0].log_softmax(1));
        if m * n > 0 {
            checked(&[&[m, n], &[m, n]], &hows, seed, |v| v[0].mse(v[1]));
            checked(&[&[m, n], &[m, n]], &hows, seed, |v| v[0].bce_with_logits(v[1]));
            let classes = Tensor::<i64>::from_fn(&[m], |at| ((at[0] as u64 + seed % 7) % n as u64) as i64);
            checked(&[&[m, n]], &hows[..1], seed, |v| v[0].cross_entropy(&classes));
        }
    }

    #[test]
    fn check_picking([m, n] in small(), how in how(), seed in any::<u64>()) {
        prop_assume!(m > 0);
        let mut rng = Rng::new(seed);
        let index = Tensor::<i64>::from_fn(&[3, n], |_| rng.below(m) as i64);
        checked(&[&[m, n]], &[how], seed, |v| v[0].gather(0, &index).exp());
        let mask = Tensor::<bool>::from_fn(&[m, n], |_| rng.below(2) == 1);
        checked(&[&[m, n]], &[how], seed, |v| v[0].tape().where_(&mask, v[0].ln(), v[0] * v[0]));
    }

    #[test]
    fn check_batch_norm(m in 2..4_usize, n in 0..3_usize, hows in prop::array::uniform3(how()), seed in any::<u64>()) {
        // Broadcast rows are equal, and their variance 0: with this ε its curvature stays moderate.
        const EPSILON: f64 = 0.5;
        prop_assume!(n > 0);
        checked(&[&[m, n], &[n], &[n]], &hows, seed, |v| v[0].batch_norm(v[1], v[2], 1, EPSILON)[0].tanh());
        checked(&[&[n, m], &[n], &[n]], &hows, seed, |v| v[0].batch_norm(v[1], v[2], 0, EPSILON)[0].tanh());
    }
}

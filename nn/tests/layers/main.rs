//! Layers: their derivatives to the second order, their shapes, their words.

mod constraints;
mod init;
mod norms_of_weights;
mod space;

use gradus_autograd::check::gradcheck;
use gradus_autograd::{Module, Rng, Tensor};
use gradus_nn::{BuildError, Layer, Sequential};

/// Checks a layer's output by its input and by each of its parameters, to the second order.
pub fn check(layer: impl Layer<f64> + 'static, input: &[usize]) {
    let model = Sequential::new().add(layer).build(&input[1..], 3).unwrap();
    let mut rng = Rng::new(1);
    let params: Vec<_> = model.params().into_iter().filter(|(_, p)| p.is_trained()).collect();
    // Away from the values at which they start: ones and zeros hide mistakes.
    let near = |x: &Tensor<f64>, rng: &mut Rng| {
        let noise = Tensor::<f64>::rand(x.shape(), 0.1, 0.5, rng);
        Tensor::from_fn(x.shape(), |at| x.at(at) + noise.at(at))
    };
    let x = Tensor::rand(input, -1.0, 1.0, &mut rng);
    let values = params.iter().map(|(_, param)| near(param.value(), &mut rng));
    let inputs: Vec<Tensor<f64>> = std::iter::once(x).chain(values).collect();
    let found = gradcheck(
        |v| {
            for ((_, param), &value) in params.iter().zip(&v[1..]) {
                v[0].tape().rebind(param, value);
            }
            model.forward(v[0])
        },
        &inputs,
    );
    found.unwrap_or_else(|wrong| panic!("{model:?}: {wrong}"));
}

/// What a model says that cannot be built.
pub fn refuses(layer: impl Layer<f32> + 'static, input: &[usize], why: &str) {
    let error: BuildError = Sequential::new().add(layer).build(input, 0).err().unwrap();
    assert_eq!(error.to_string(), why);
}

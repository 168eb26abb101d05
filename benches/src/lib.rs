//! The workloads that speed is measured on. A workload is made once and then run step by step.
//!
//! A step is forward, loss, backward and update, in f32; `scalar` and `elementwise` are forward and
//! backward only, `infer1` is forward only.
#![forbid(unsafe_code)]

use gradus_autograd::{
    Activation::{Gelu, Identity, Relu, Tanh},
    Module, Param, Rng, Tape, Tensor, Var, fused,
};
use gradus_nn::regularizers::{L1, L2};
use gradus_nn::{
    BatchNorm, Conv2d, Dense, Dropout, Flatten, GlobalAvgPool, Layer, Lstm, MaxPool2d, Residual,
    Sequential, TransformerEncoderLayer, init::GlorotUniform, penalty,
};
use gradus_optim::{Adam, AdamW, Positive, Sgd, Step, Unroll, hypergradient};

/// One step; returns the loss, so that nothing can be left out.
pub type Workload = Box<dyn FnMut() -> f32 + Send>;

/// Makes a workload.
pub type Make = fn() -> Workload;

/// All workloads by name, in the order of the table; made when called.
pub const ALL: [(&str, Make); 14] = [
    ("tiny", tiny),
    ("seed", seed),
    ("mlp_small", mlp_small),
    ("mlp", mlp),
    ("mlp_tuned", mlp_tuned),
    ("wide", wide),
    ("cnn", cnn),
    ("resblock", resblock),
    ("transformer", transformer),
    ("lstm", lstm),
    ("scalar", scalar),
    ("elementwise", elementwise),
    ("infer1", infer1),
    ("hypergrad", hypergrad),
];

fn randn(shape: &[usize], seed: u64) -> Tensor {
    Tensor::randn(shape, &mut Rng::new(seed))
}

/// Whole numbers below `classes`.
fn labels(n: usize, classes: usize) -> Tensor<i64> {
    let mut rng = Rng::new(3);
    Tensor::from((0..n).map(|_| rng.below(classes) as i64).collect::<Vec<_>>())
}

/// Layers of the given sizes, ReLU between them.
pub fn perceptron(sizes: &[usize]) -> Sequential {
    let last = sizes.len() - 1;
    let mut model = Sequential::new();
    for (at, &units) in sizes.iter().enumerate().skip(1) {
        model = model.add(Dense::new(units).activation(if at == last { Identity } else { Relu }));
    }
    model.build(&sizes[..1], 1).unwrap_or_else(|error| panic!("{error}"))
}

/// MLP 2-16-16-1 tanh, batch 4, MSE, SGD 0.1.
pub fn tiny() -> Workload {
    let layer = |inputs, units| Dense::new(units).inputs(inputs);
    let mut model = [layer(2, 16).activation(Tanh), layer(16, 16).activation(Tanh), layer(16, 1)]
        .map(|l| l.init(1));
    let (x, y) = (randn(&[4, 2], 1), randn(&[4, 1], 2));
    let mut sgd = Sgd::new(0.1);
    Box::new(move || {
        let tape = Tape::training(0);
        let h = model.iter().fold(tape.constant(x.clone()), |h, layer| layer.forward(h));
        let loss = h.mse(tape.constant(y.clone()));
        sgd.step(&mut model, &loss.backward());
        loss.item()
    })
}

/// Dense 30→50, BatchNorm, ReLU, Dropout 0.5, Dense 1, with penalties; BCE with logits, Adam, batch 128.
pub fn seed() -> Workload {
    let dense = |units| {
        let dense = Dense::new(units).kernel_initializer(GlorotUniform);
        dense.kernel_regularizer(L2(0.01)).bias_regularizer(L1(0.01))
    };
    let model = Sequential::new().add(dense(50)).add(BatchNorm::new()).add(Relu);
    let model = model.add(Dropout::new(0.5)).add(dense(1)).build(&[30], 1);
    let mut model = model.unwrap_or_else(|error| panic!("{error}"));
    let (x, y) = (randn(&[128, 30], 1), randn(&[128, 1], 2).map(|x| f32::from(u8::from(x > 0.0))));
    let (mut adam, mut step) = (Adam::new(1e-3), 0);
    Box::new(move || {
        step += 1;
        let tape = Tape::training(step);
        let logits = model.forward(tape.constant(x.clone()));
        let mut loss = logits.bce_with_logits(tape.constant(y.clone()));
        if let Some(penalty) = penalty(&model, &tape) {
            loss = loss + penalty;
        }
        adam.step(&mut model, &loss.backward());
        loss.item()
    })
}

/// A classifier's step.
fn classifier(sizes: &[usize], batch: usize, mut optimizer: impl Step<f32> + 'static) -> Workload {
    let mut model = perceptron(sizes);
    let x = randn(&[batch, sizes[0]], 1);
    let y = labels(batch, sizes[sizes.len() - 1]);
    Box::new(move || {
        let tape = Tape::training(0);
        let loss = model.forward(tape.constant(x.clone())).cross_entropy(&y);
        optimizer.step(&mut model, &loss.backward());
        loss.item()
    })
}

/// 784-128-10 ReLU, cross-entropy, batch 32, SGD.
pub fn mlp_small() -> Workload {
    classifier(&[784, 128, 10], 32, Sgd::new(0.01))
}

/// 784-512-256-10 ReLU, cross-entropy, batch 128, Adam.
pub fn mlp() -> Workload {
    classifier(&[784, 512, 256, 10], 128, Adam::new(1e-3))
}

/// The same; its learning rate is trained along.
pub fn mlp_tuned() -> Workload {
    let adam = Adam::new(1e-3).tuned_by(Sgd::new(1e-3)).positive(|h| &mut h.lr);
    classifier(&[784, 512, 256, 10], 128, adam)
}

/// 2048-2048-2048-2048 ReLU, MSE, batch 512, SGD.
pub fn wide() -> Workload {
    let mut model = perceptron(&[2048; 4]);
    let (x, y) = (randn(&[512, 2048], 1), randn(&[512, 2048], 2));
    let mut sgd = Sgd::new(1e-3);
    Box::new(move || {
        let tape = Tape::training(0);
        let loss = model.forward(tape.constant(x.clone())).mse(tape.constant(y.clone()));
        sgd.step(&mut model, &loss.backward());
        loss.item()
    })
}

/// 1×28×28: two convolutions of 3×3 with ReLU and max-pooling, 16 and 32 filters, dense 128 and 10; cross-entropy, batch
/// 64, Adam.
pub fn cnn() -> Workload {
    let conv = |filters| Conv2d::new(filters, 3).padding(1).activation(Relu);
    let model = Sequential::new()
        .add(conv(16))
        .add(MaxPool2d::new(2))
        .add(conv(32))
        .add(MaxPool2d::new(2))
        .add(Flatten)
        .add(Dense::new(128).activation(Relu))
        .add(Dense::new(10));
    images(model, &[64, 1, 28, 28], Adam::new(1e-3))
}

/// 64×32×32, batch 16: a residual block of two convolutions of 64 to 64 with batch norm, global mean, dense 10;
/// cross-entropy, SGD with momentum.
pub fn resblock() -> Workload {
    let conv = || Conv2d::new(64, 3).padding(1).no_bias();
    let block = Sequential::new().add(conv()).add(BatchNorm::pytorch()).add(Relu).add(conv());
    let model = Sequential::new()
        .add(Residual::new(block.add(BatchNorm::pytorch())))
        .add(Relu)
        .add(GlobalAvgPool)
        .add(Dense::new(10));
    images(model, &[16, 64, 32, 32], Sgd::new(1e-3).momentum(0.9))
}

/// A classifier of images.
fn images(model: Sequential, shape: &[usize], mut optimizer: impl Step<f32> + 'static) -> Workload {
    let mut model = model.build(&shape[1..], 1).unwrap_or_else(|error| panic!("{error}"));
    let (x, y) = (randn(shape, 1), labels(shape[0], 10));
    Box::new(move || {
        let tape = Tape::training(0);
        let loss = model.forward(tape.constant(x.clone())).cross_entropy(&y);
        optimizer.step(&mut model, &loss.backward());
        loss.item()
    })
}

/// A step of regression by the mean square error.
fn regression(
    mut model: impl Layer + 'static,
    x: &[usize],
    y: &[usize],
    mut optimizer: impl Step<f32> + 'static,
) -> Workload {
    let (x, y) = (randn(x, 1), randn(y, 2));
    Box::new(move || {
        let tape = Tape::training(0);
        let loss = model.forward(tape.constant(x.clone())).mse(tape.constant(y.clone()));
        optimizer.step(&mut model, &loss.backward());
        loss.item()
    })
}

/// One pre-norm encoder block, batch 16, sequence 64, width 128, 4 heads, 512 units with GELU between, MSE, AdamW.
pub fn transformer() -> Workload {
    let block = TransformerEncoderLayer::new(128, 4).feed_forward(512).activation(Gelu);
    let shape = [16, 64, 128];
    regression(block.pre_norm().dropout(0.0).init(1), &shape, &shape, AdamW::new(1e-3))
}

/// LSTM 32→64 over 50 steps, batch 32, last output, dense 1, MSE, Adam.
pub fn lstm() -> Workload {
    let model = Sequential::new().add(Lstm::new(64)).add(Dense::new(1)).build(&[50, 32], 1);
    let model = model.unwrap_or_else(|error| panic!("{error}"));
    regression(model, &[32, 50, 32], &[32, 1], Adam::new(1e-3))
}

/// s = x0; 5,000 × (s = s·w[i % 100] + b[i % 100]), 200 scalar leaves.
pub fn scalar() -> Workload {
    let make = |seed| {
        let mut rng = Rng::new(seed);
        let near = move |_| Param::new(Tensor::scalar((0.99 + 0.01 * rng.uniform()) as f32));
        (0..100).map(near).collect::<Vec<_>>()
    };
    let (w, b) = (make(1), make(2));
    Box::new(move || {
        let tape = Tape::new();
        let [w, b] = [&w, &b].map(|all| all.iter().map(|p| tape.param(p)).collect::<Vec<_>>());
        let mut s = tape.constant(Tensor::scalar(1.0));
        for i in 0..5000 {
            s = s * w[i % 100] + b[i % 100];
        }
        s.backward()[w[0]].item()
    })
}

/// mean(tanh(x·w1 + b1)·sigmoid(x·w2 + b2) + exp(−x·x)), five tensors of 2^20, gradients of all.
pub fn elementwise() -> Workload {
    let inputs = [1, 2, 3, 4, 5].map(|seed| randn(&[1 << 20], seed));
    Box::new(move || {
        let tape = Tape::new();
        let v = inputs.each_ref().map(|x| tape.var(x.clone()));
        let f =
            fused!(|x, w1, b1, w2, b2| (x * w1 + b1).tanh() * (x * w2 + b2).sigmoid()
                + (-(x * x)).exp());
        let loss = f(v[0], v[1], v[2], v[3], v[4]).mean();
        let grads = loss.backward();
        loss.item() + grads[v[4]].at(&[0])
    })
}

/// The forward pass of `mlp`, batch 1, evaluation mode.
pub fn infer1() -> Workload {
    let model = perceptron(&[784, 512, 256, 10]);
    let x = randn(&[1, 784], 1);
    Box::new(move || {
        let tape = Tape::inference();
        model.forward(tape.constant(x.clone())).value().at(&[0, 0])
    })
}

/// 20 unrolled AdamW steps of an MLP 30-50-1 tanh, BCE, batch 128, then a validation loss on 128; its gradient
/// with respect to (ln lr, ln weight decay).
pub fn hypergrad() -> Workload {
    unrolled(Unroll::steps(20))
}

/// As [`hypergrad`], of another length or in another way.
pub fn unrolled(unroll: Unroll) -> Workload {
    let model = [Dense::new(50).inputs(30).activation(Tanh), Dense::new(1).inputs(50)];
    let model = model.map(|layer| layer.init(1));
    let hyper = [Positive::new(1e-2), Positive::new(1e-2)];
    let [x, x_val] = [1, 2].map(|seed| randn(&[128, 30], seed));
    let [y, y_val] =
        [3, 4].map(|seed| randn(&[128, 1], seed).map(|x| f32::from(u8::from(x > 0.0))));
    let adam = AdamW::new(0.0);
    Box::new(move || {
        let found = hypergradient(
            &hyper,
            &model,
            unroll,
            |tape, _| {
                let [lr, decay] = hyper.each_ref().map(|h| h.var(tape));
                adam.unrolled(tape).with(|h| &mut h.lr, lr).with(|h| &mut h.weight_decay, decay)
            },
            |tape, _| bce(&model, tape, &x, &y),
            |tape| bce(&model, tape, &x_val, &y_val),
        );
        found.unwrap_or_else(|error| panic!("{error}")).loss
    })
}

fn bce<'t>(model: &[Dense; 2], tape: &'t Tape, x: &Tensor, y: &Tensor) -> Var<'t> {
    let logits = model.iter().fold(tape.constant(x.clone()), |h, layer| layer.forward(h));
    logits.bce_with_logits(tape.constant(y.clone()))
}

//! `derive(Module)`: which parameters there are, and their paths.

use gradus::autograd::Path;
use gradus::prelude::*;

use super::paths;

fn one<T: Float>() -> Param<T> {
    Param::new(Tensor::zeros(&[1]))
}

#[derive(Debug, Module)]
struct Leaf<T: Float> {
    w: Param<T>,
    rate: f64,
    name: String,
}

fn leaf<T: Float>() -> Leaf<T> {
    Leaf { w: one(), rate: 0.5, name: "leaf".into() }
}

/// A list of pairs, one of them of an optional box and another list.
type Deep<T> = Vec<(Option<Box<Leaf<T>>>, Vec<Param<T>>)>;

#[derive(Debug, Module)]
struct Tree<T: Float> {
    list: Vec<Leaf<T>>,
    some: Option<Leaf<T>>,
    none: Option<Leaf<T>>,
    pair: (Leaf<T>, Param<T>),
    array: [Param<T>; 2],
    boxed: Box<Leaf<T>>,
    layer: Box<dyn Layer<T>>,
    #[module(skip)]
    skipped: Vec<std::thread::ThreadId>,
    activation: Activation,
    deep: Deep<T>,
}

fn tree<T: Float>() -> Tree<T> {
    Tree {
        list: vec![leaf(), leaf()],
        some: Some(leaf()),
        none: None,
        pair: (leaf(), one()),
        array: [one(), one()],
        boxed: Box::new(leaf()),
        layer: Box::new(Dense::new(1).inputs(1)),
        skipped: vec![std::thread::current().id()],
        activation: Relu,
        deep: vec![(Some(Box::new(leaf())), vec![one(), one()])],
    }
}

const PATHS: [&str; 13] = [
    "list.0.w",
    "list.1.w",
    "some.w",
    "pair.0.w",
    "pair.1",
    "array.0",
    "array.1",
    "boxed.w",
    "layer.kernel",
    "layer.bias",
    "deep.0.0.w",
    "deep.0.1.0",
    "deep.0.1.1",
];

#[test]
fn paths_through_every_container() {
    let tree = tree::<f64>();
    assert_eq!(paths::<f64>(&tree), PATHS);
    assert_eq!(paths::<f32>(&self::tree::<f32>()), PATHS);
    assert_eq!((tree.skipped.len(), tree.activation), (1, Relu));
    assert_eq!((tree.list[0].rate, tree.list[0].name.as_str()), (0.5, "leaf"));
    assert!(
        tree.param("list.1.w").is_some()
            && tree.param("list.2.w").is_none()
            && tree.param("").is_none()
    );
}

#[test]
fn both_visits_go_the_same_way() {
    let mut tree = tree::<f64>();
    let ids: Vec<_> =
        tree.params().iter().map(|(path, param)| (path.clone(), param.id())).collect();
    let mut seen = Vec::new();
    tree.visit_mut(Path::root(), &mut |path, param| seen.push((path.to_string(), param.id())));
    assert_eq!(ids, seen);
    // Below a path of one's own.
    let mut below = Vec::new();
    let root = Path::root();
    tree.visit(root.field("net").item(3), &mut |path, _| below.push(path.to_string()));
    assert_eq!(below[0], "net.3.list.0.w");
}

#[test]
fn a_struct_without_generics_is_a_module_for_its_type() {
    #[derive(Debug, Module)]
    struct Net {
        l1: Dense,
        l2: Dense,
    }
    let net = Net { l1: Dense::new(2).inputs(3), l2: Dense::new(1).inputs(2).no_bias() };
    assert_eq!(paths::<f32>(&net), ["l1.kernel", "l1.bias", "l2.kernel"]);
    #[derive(Debug, Module)]
    struct Wide {
        l1: Dense<f64>,
    }
    assert_eq!(paths::<f64>(&Wide { l1: Dense::new(2).inputs(3) }), ["l1.kernel", "l1.bias"]);
}

#[test]
fn structs_without_names_and_with_const_generics() {
    #[derive(Debug, Module)]
    struct Empty;
    #[derive(Debug, Module)]
    struct Pair<T: Float>(Param<T>, Leaf<T>);
    #[derive(Debug, Module)]
    struct Many<M, const N: usize>
    where
        M: std::fmt::Debug,
    {
        all: [M; N],
    }
    assert!(paths::<f32>(&Empty).is_empty());
    assert_eq!(paths::<f64>(&Pair(one(), leaf())), ["0", "1.w"]);
    assert_eq!(paths::<f64>(&Many { all: [leaf::<f64>(), leaf()] }), ["all.0.w", "all.1.w"]);
}

/// A field that is left out does not rename the others.
#[test]
fn a_skipped_field_of_a_tuple_keeps_its_number() {
    #[derive(Debug, Module)]
    struct Pair<T: Float>(#[module(skip)] Option<std::thread::ThreadId>, Param<T>);
    let pair = Pair::<f64>(None, one());
    assert!(pair.0.is_none());
    assert_eq!(paths::<f64>(&pair), ["1"]);
}

#[test]
fn a_raw_identifier_is_a_plain_name() {
    #[derive(Debug, Module)]
    struct Raw<T: Float> {
        r#type: Param<T>,
    }
    assert_eq!(paths::<f64>(&Raw { r#type: one() }), ["type"]);
}

#[test]
fn what_cannot_be_a_module_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/module/*.rs");
}

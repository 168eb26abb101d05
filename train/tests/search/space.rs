//! Spaces: values within their bounds, conditions, and errors that say what to do.

use gradus_autograd::Rng;

use crate::*;

#[test]
fn values_are_within_their_bounds_at_any_place() {
    let space = mixed();
    let mut rng = Rng::new(3);
    for round in 0..2000 {
        let edge = [0.0, 1.0, -1.0, 2.0, f64::NAN][round % 5];
        let params = space.at(|_| if round < 50 { edge } else { rng.uniform() }).unwrap();
        for (name, value) in params.iter() {
            let domain = space.domain(name).unwrap();
            let [from, to] = domain.places(value).expect("within");
            assert!(0.0 <= from && from <= to && to <= 1.0, "{name} {value}");
            // The place of a value leads back to it, up to rounding.
            match (domain.at(f64::midpoint(from, to)), value) {
                (Value::Float(a), Value::Float(b)) => assert!((a / b - 1.0).abs() < 1e-12),
                (a, b) => assert_eq!(a, *b),
            }
        }
    }
}

#[test]
fn the_bounds_are_values_and_every_integer_is_as_likely() {
    let space = Space::new().log_uniform("lr", 1e-4, 1e-1).integer("n", 0, 4).choice("b", [8, 16]);
    let [low, high] = [0.0, 1.0].map(|place| space.at(|_| place).unwrap().to_string());
    assert_eq!((low.as_str(), high.as_str()), ("lr 1.000e-4  n 0  b 8", "lr 0.1  n 4  b 16"));
    let mut counts = [0; 5];
    for i in 0..1000 {
        counts[space.at(|_| (f64::from(i) + 0.5) / 1000.0).unwrap().get::<usize>("n").unwrap()] +=
            1;
    }
    assert_eq!(counts, [200; 5]);
}

#[test]
fn a_parameter_is_there_under_its_condition_only() {
    let mut rng = Rng::new(1);
    for _ in 0..300 {
        let params = mixed().at(|_| rng.uniform()).unwrap();
        let sgd = params.get::<&str>("optimizer").unwrap() == "sgd";
        assert_eq!(params.get::<Option<f64>>("momentum").unwrap().is_some(), sgd);
        let layers: i64 = params.get("layers").unwrap();
        for layer in 1..=3 {
            let width: Option<usize> = params.get(&format!("width_{layer}")).unwrap();
            assert_eq!(width.is_some(), layer <= layers);
        }
    }
    // A condition on what is not there itself is not met.
    let chain = Space::new()
        .choice("a", [false, true])
        .integer("b", 1, 2)
        .when("a", [true])
        .uniform("c", 0.0, 1.0)
        .when("b", 1..=2);
    assert_eq!(chain.at(|_| 0.0).unwrap().to_string(), "a false");
    assert_eq!(chain.at(|_| 0.9).unwrap().to_string(), "a true  b 2  c 0.9");
}

#[test]
fn what_makes_no_sense_is_said() {
    let says = |space: Space, text: &str| {
        assert_eq!(space.check().unwrap_err().to_string(), text);
        // A study says it before its first trial.
        let study = Study::minimize(space).run(|_| unreachable!());
        assert_eq!(study.unwrap_err().to_string(), text);
    };
    says(
        Space::new(),
        "the search space has no parameters: add some, `Space::new().log_uniform(\"lr\", 1e-4, 1e-1)`",
    );
    says(
        Space::new().uniform("p", 0.6, 0.1),
        "parameter `p`: its lower bound is above the upper one (the bounds are 0.6 and 0.1)",
    );
    says(
        Space::new().log_uniform("lr", 0.0, 0.1),
        "parameter `lr`: a logarithmic range begins above 0 (the bounds are 0 and 0.1)",
    );
    says(
        Space::new().uniform("p", 0.0, f64::NAN),
        "parameter `p`: its bounds must be finite, and so must their difference (the bounds are 0 and NaN)",
    );
    says(
        Space::new().uniform("p", f64::MIN, f64::MAX),
        &format!(
            "parameter `p`: its bounds must be finite, and so must their difference (the bounds are {} and {})",
            f64::MIN,
            f64::MAX
        ),
    );
    says(
        Space::new().integer("n", 3, 3),
        "parameter `n`: its bounds are the same, so there is nothing to search: make it a constant \
         (the bounds are 3 and 3)",
    );
    says(
        Space::new().choice("a", ["relu", "tanh", "relu"]),
        "parameter `a`: the choice `relu` is there twice",
    );
    says(
        Space::new().choice("a", Vec::<String>::new()),
        "parameter `a`: 0 choice(s) leave nothing to search",
    );
    says(
        Space::new().uniform("p", 0.0, 1.0).integer("p", 0, 1),
        "there are two parameters `p` in the search space: give one another name",
    );
    says(
        Space::new().uniform("p", 0.0, 1.0).when("q", [1]),
        "parameter `p`, `when(\"q\", …)`: there is no parameter `q` before it",
    );
    says(
        mixed().uniform("p", 0.0, 1.0).when("layers", 4..),
        "parameter `p`, `when(\"layers\", …)`: `layers` never has such a value",
    );
    says(
        Space::new().when("q", [1]).uniform("p", 0.0, 1.0),
        "`when(\"q\", …)` stands before the first parameter: it belongs behind the one that it is about",
    );
    let i53 = (1_i64 << 53) + 1;
    assert!(Space::new().integer("n", 0, i53).check().is_err());
    assert!(Space::new().integer("n", i64::MIN, i64::MAX).check().is_err());
}

#[test]
fn a_value_is_read_as_the_type_that_it_has() {
    let params = mixed().at(|_| 0.0).unwrap();
    assert_eq!(params.get::<f64>("layers").unwrap(), 1.0);
    let error = |result: Result<f64, SearchError>| result.unwrap_err().to_string();
    assert_eq!(
        error(params.get("optimizer")),
        "parameter `optimizer` is Text(\"adam\"), which cannot be read as a number"
    );
    assert_eq!(
        error(params.get("momentum")),
        "parameter `momentum` is not part of this trial: the condition it stands under is not met; \
         ask for an `Option<…>`, or ask only where the condition holds"
    );
}

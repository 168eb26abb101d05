//! Samplers: each covers the space as it should, and TPE finds more than chance.

use crate::*;

/// Places of the first points of a study on the unit cube.
fn points(
    sampler: impl Sampler + 'static,
    dimensions: usize,
    count: u64,
    seed: u64,
) -> Vec<Vec<f64>> {
    let names: Vec<String> = (0..dimensions).map(|i| format!("x{i}")).collect();
    let space = names.iter().fold(Space::new(), |space, name| space.uniform(name, 0.0, 1.0));
    let study = Study::minimize(space).sampler(sampler).trials(count).seed(seed).progress(false);
    let found = study.run(|_| Ok(0.0)).unwrap();
    let place = |trial: &Record| names.iter().map(|name| trial.params.get(name).unwrap()).collect();
    found.trials().iter().map(place).collect()
}

#[test]
fn the_grid_has_every_combination_once_and_ends() {
    let study = Study::minimize(mixed()).sampler(Grid::new(3)).trials(100_000).progress(false);
    for threads in [1, 3] {
        let study = Study::minimize(mixed()).sampler(Grid::new(3)).trials(100_000);
        let found =
            study.threads(threads).progress(false).run(|trial| Ok(bowl(trial.params()))).unwrap();
        // lr × (adam, or sgd with 3 momenta) × (3 + 9 + 27 widths)
        assert_eq!(found.trials().len(), 3 * (1 + 3) * (3 + 9 + 27));
        let mut all: Vec<String> =
            found.trials().iter().map(|t| format!("{:?}", t.params)).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), found.trials().len());
    }
    let found = study.trials(2).run(|trial| Ok(bowl(trial.params()))).unwrap();
    assert_eq!(found.trials().len(), 2);
    // Few whole numbers are all there; many are thinned out, without doubles.
    let space = Space::new().integer("few", 1, 4).log_integer("many", 1, 1000);
    let found = Study::minimize(space).sampler(Grid::new(4)).run(|_| Ok(0.0)).unwrap();
    let last: Vec<i64> =
        found.trials()[12..].iter().map(|trial| trial.params.get("many").unwrap()).collect();
    assert_eq!(last, [1, 10, 100, 1000]);
}

#[test]
fn halton_has_one_point_in_every_part() {
    for seed in 0..5 {
        let points = points(Halton, 4, 7 * 7 * 5, seed);
        for (axis, base) in [2_usize, 3, 5, 7].into_iter().enumerate() {
            let parts = (1..).map(|k| base.pow(k)).take_while(|&n| n <= 7 * 7 * 5).last().unwrap();
            let mut counts = vec![0; parts];
            points[..parts].iter().for_each(|p| counts[(p[axis] * parts as f64) as usize] += 1);
            assert!(counts.iter().all(|&count| count == 1), "seed {seed}, base {base}: {counts:?}");
        }
    }
}

#[test]
fn halton_integrates_better_than_chance_and_other_seeds_give_other_points() {
    // ∏ 2·x over the cube is 1.
    let error = |sampler: fn(u64) -> Vec<Vec<f64>>| {
        let square = |seed| {
            let points = sampler(seed);
            let value = |p: &Vec<f64>| p.iter().map(|x| 2.0 * x).product::<f64>();
            (points.iter().map(value).sum::<f64>() / points.len() as f64 - 1.0).powi(2)
        };
        ((0..10).map(square).sum::<f64>() / 10.0).sqrt()
    };
    let (quasi, random) =
        (error(|s| points(Halton, 5, 256, s)), error(|s| points(Random, 5, 256, s)));
    assert!(quasi < 0.4 * random, "{quasi} {random}");
    assert_ne!(points(Halton, 2, 4, 0), points(Halton, 2, 4, 1));
    // The sequences of neighbouring large primes do not go hand in hand.
    let far = points(Halton, 20, 30, 0);
    let mean = |axis: usize| far.iter().map(|p| p[axis]).sum::<f64>() / 30.0;
    let product = far.iter().map(|p| (p[18] - mean(18)) * (p[19] - mean(19))).sum::<f64>();
    let variance = |axis: usize| far.iter().map(|p| (p[axis] - mean(axis)).powi(2)).sum::<f64>();
    assert!((product / (variance(18) * variance(19)).sqrt()).abs() < 0.5);
}

/// The mean of the best scores of some studies.
fn mean_best(
    make: impl Fn() -> Study,
    trials: u64,
    function: impl Fn(&Params) -> f64 + Sync,
) -> f64 {
    const SEEDS: u64 = 20;
    let best = |seed| {
        let study = make().trials(trials).seed(seed).progress(false);
        study.run(|trial| Ok(function(trial.params()))).unwrap().best().score.unwrap()
    };
    (0..SEEDS).map(best).sum::<f64>() / SEEDS as f64
}

#[test]
fn tpe_finds_more_than_chance() {
    let sphere = || {
        let axes = (0..5).map(|i| format!("x{i}"));
        axes.fold(Space::new(), |space, name| space.uniform(name, -5.0, 5.0))
    };
    let squares = |p: &Params| p.iter().map(|(n, _)| p.get::<f64>(n).unwrap().powi(2)).sum::<f64>();
    // Branin and Hoo 1972: three minima of 0.398.
    let plane = || Space::new().uniform("x", -5.0, 10.0).uniform("y", 0.0, 15.0);
    let branin = |p: &Params| {
        let [x, y] = ["x", "y"].map(|name| p.get::<f64>(name).unwrap());
        let pi = std::f64::consts::PI;
        let a = y - 5.1 / (4.0 * pi * pi) * x * x + 5.0 / pi * x - 6.0;
        a * a + 10.0 * (1.0 - 1.0 / (8.0 * pi)) * x.cos() + 10.0
    };
    let both = |space: &dyn Fn() -> Space, trials, f: &(dyn Fn(&Params) -> f64 + Sync)| {
        let random = mean_best(|| Study::minimize(space()), trials, f);
        let tpe = mean_best(|| Study::minimize(space()).sampler(Tpe::new()), trials, f);
        println!("random {random:.4}  tpe {tpe:.4}");
        (random, tpe)
    };
    let (random, tpe) = both(&sphere, 80, &squares);
    assert!(tpe < 0.15 * random);
    let (random, tpe) = both(&plane, 60, &branin);
    assert!(tpe - 0.398 < 0.5 * (random - 0.398));
    let (random, tpe) = both(&mixed, 60, &bowl);
    assert!(tpe < 0.4 * random);
    // Upwards it is the same.
    let up = |trials| Study::maximize(mixed()).sampler(Tpe::new()).trials(trials).progress(false);
    let best = up(60).seed(3).run(|trial| Ok(-bowl(trial.params()))).unwrap().best().score;
    let down = Study::minimize(mixed()).sampler(Tpe::new()).trials(60).seed(3).progress(false);
    assert_eq!(best.map(|b| -b), down.run(|trial| Ok(bowl(trial.params()))).unwrap().best().score);
}

#[test]
fn tpe_learns_from_failures_and_choices() {
    // Half of the space fails; of the choices one is good.
    let space = Space::new().uniform("x", 0.0, 1.0).choice("c", ["a", "b", "c", "d"]);
    let study = Study::minimize(space).sampler(Tpe::new()).trials(80).progress(false);
    let found = study.run(|trial| {
        let (x, c): (f64, &str) = (trial.get("x")?, trial.get("c")?);
        if x > 0.5 { Ok(f64::NAN) } else { Ok(x + if c == "c" { 0.0 } else { 1.0 }) }
    });
    let found = found.unwrap();
    let late = &found.trials()[40..];
    let failed = late.iter().filter(|trial| matches!(trial.state, TrialState::Failed(_))).count();
    let good = late.iter().filter(|trial| trial.params.get::<&str>("c").unwrap() == "c").count();
    assert!(failed <= 8 && good >= 25, "{failed} {good}");
}

#[test]
fn a_sampler_of_ones_own() {
    #[derive(Debug)]
    struct Middle;
    impl Sampler for Middle {
        fn suggest(&self, ask: &Ask<'_>) -> Option<Params> {
            (ask.number < 1).then(|| ask.space.fill(|_, domain| domain.at(0.5)))
        }
    }
    assert_eq!(points(Middle, 2, 9, 0), [[0.5, 0.5]]);
}

#[test]
fn settings_that_make_no_sense() {
    let says = |study: Study, text: &str| {
        assert_eq!(study.run(|_| Ok(0.0)).unwrap_err().to_string(), text);
    };
    let study = || Study::minimize(mixed());
    says(
        study().sampler(Grid::new(0)),
        "study: Grid: 0 points leave nothing to try; it takes at least 1",
    );
    says(study().sampler(Tpe::new().candidates(0)), "study: Tpe: it takes at least 1 candidate");
    says(
        study().scheduler(Asha::new(9).reduction_factor(1)),
        "study: Asha: a reduction factor below 2 prunes nothing",
    );
    says(
        study().scheduler(Asha::new(9).brackets(3)),
        "study: Asha: the first rung is at or above the whole budget (in the last bracket, if there are \
         several), so that nothing is pruned",
    );
    says(study().trials(0), "study: 0 trials find nothing; it takes at least 1");
    says(study().threads(0), "study: 0 threads run nothing; it takes at least 1");
    says(
        study().lag(0),
        "study: with a lag of 0 a trial would wait for itself; it takes at least 1",
    );
}

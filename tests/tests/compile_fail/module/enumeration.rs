use gradus::prelude::*;

#[derive(Module)]
enum Either {
    Left(Dense),
    Right(Dense),
}

fn main() {}

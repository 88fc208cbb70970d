//! Every target for a moment, so that none rots. `make fuzz` goes on for longer and with other inputs.

use opsconductor_fuzz::{Limit, TARGETS, Target, run};

/// The same inputs each time, so that the test says the same each time.
const SEED: u64 = 20_251_123;

fn holds(name: &str) {
    let target: &'static Target = TARGETS.iter().find(|target| target.name == name).expect("it is listed");
    match run(target, SEED, Limit::Inputs(1_000)) {
        Ok(ran) => assert_eq!(ran.inputs, 1_000),
        Err(failure) => panic!("{failure}"),
    }
}

macro_rules! each {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            holds(stringify!($name));
        })+

        #[test]
        fn every_target_is_tested() {
            let listed: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(listed, [$(stringify!($name)),+]);
        }
    };
}

each!(envelope, key, credential, template, condition, definition, redactor, soap, clixml, frame);

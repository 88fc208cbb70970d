//! What one render may spend. Counted, not timed: a synchronous render cannot be stopped from outside, and a count
//! gives the same answer on every machine.

/// The longest template.
pub(super) const SOURCE_BYTES_MAX: usize = 64 * 1024;
/// The longest text a render makes.
pub(super) const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a render may build on the way, all together: nothing is given back, so this bounds what is alive at once.
const BUILT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Steps of evaluation; reading 64 bytes of a value counts as one.
const STEPS_MAX: u32 = 1_000_000;
/// Nesting of a value that is copied, compared or printed.
pub(super) const VALUE_DEPTH_MAX: usize = 64;
/// The longest `range()`.
pub(super) const RANGE_MAX: i64 = 10_000;

/// Why a render was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spent {
    Steps,
    Built,
    Output,
    Depth,
}

impl Spent {
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Steps => "the template takes too many steps to render: simplify it or shorten its loops",
            Self::Built => "the template builds more than 16 MiB of values on the way: simplify it",
            Self::Output => "the template renders to more than 4 MiB: shorten its values or its loops",
            Self::Depth => {
                "the template handles a value that is nested more than 64 deep: pass a flatter one"
            }
        }
    }
}

/// What is left to spend.
#[derive(Debug)]
pub(super) struct Budget {
    steps: u32,
    built: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { steps: STEPS_MAX, built: BUILT_BYTES_MAX }
    }

    /// Counts one step.
    #[inline]
    pub(super) fn step(&mut self) -> Result<(), Spent> {
        self.steps = self.steps.checked_sub(1).ok_or(Spent::Steps)?;
        Ok(())
    }

    /// Counts the reading of `bytes`.
    pub(super) fn read(&mut self, bytes: usize) -> Result<(), Spent> {
        let steps = u32::try_from(bytes / 64).map_err(|_| Spent::Steps)?;
        self.steps = self.steps.checked_sub(steps).ok_or(Spent::Steps)?;
        Ok(())
    }

    /// Counts the building of `bytes`, before they are built.
    pub(super) fn build(&mut self, bytes: usize) -> Result<(), Spent> {
        self.built = self.built.checked_sub(bytes).ok_or(Spent::Built)?;
        self.read(bytes)
    }
}

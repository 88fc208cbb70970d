//! [`Flaw`]: which promise a flawed store breaks.

/// A promise that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A worker that was given up may still write ends.
    UnfencedEnds,
    /// A worker that was given up may still write output.
    UnfencedOutput,
    /// A lease that someone else holds seems to be prolonged.
    LostSeemsHeld,
    /// A repeat is enqueued again.
    NoIdempotency,
    /// Any request may use a key.
    AnyDigest,
    /// A task that goes back is ready at once.
    NoDelay,
    /// The last piece of a batch of output is lost.
    LosesOutput,
    /// A repeated end is taken for one of a stale lease.
    RepeatIsStale,
    /// One task more than asked is claimed.
    ClaimsTooMuch,
    /// Claimed tasks come in the wrong order.
    ClaimsBackwards,
    /// Every run has the same priority.
    NoPriority,
    /// A canceled run may be acted for.
    ActsThoughCanceled,
    /// The rescuer is not told where the output stands.
    OutputStartsAgain,
    /// The rescuer is not told that something was sent.
    ForgetsDispatch,
    /// Whoever asks for a single task that was let go gets none.
    RescuesNoneAlone,
    /// Events are given again that were seen.
    EventsAgain,
    /// Runs are shown to every tenant.
    MixesTenants,
    /// A list tells the length of the part.
    ShortTotal,
    /// What was measured is not kept.
    DropsMetrics,
    /// One task more than a limit allows may run.
    LimitLetsOneMore,
    /// One start more than a rate allows may come at once.
    RateLetsOneMore,
    /// Where there is a rate, nothing is ever due.
    RateNeverWakes,
    /// A limit that is lifted holds on.
    LiftedLimitHolds,
    /// Whoever sets a limit ends a pause.
    LimitEndsThePause,
    /// A pause is answered and not kept.
    PauseHoldsNothing,
    /// A pause that is repeated begins anew.
    PauseTakesANewReason,
    /// Whoever ends a pause lifts the limit too.
    ResumeLiftsTheLimit,
    /// Runs with the same concurrency key go at once.
    NoTurns,
    /// A task whose outcome is unknown leaves no letter.
    NoLetterForLost,
    /// Letters come oldest first.
    LettersOldestFirst,
    /// A letter that is discarded stays.
    DiscardsNothing,
    /// A redrive leaves the letters.
    RedriveKeepsLetters,
    /// A run that is not over is done again.
    RedrivesTheLiving,
    /// A run is done again while another does so.
    RepeatsTwice,
    /// One run more than asked is removed.
    RemovesTooMany,
    /// Every run that is over is old enough to go.
    RemovesTooYoung,
    /// One run fewer of a job is kept.
    KeepsOneLess,
    /// The key of a run that was removed still answers it.
    KeyOutlivesItsRun,
}

impl Flaw {
    /// Each of them.
    pub const ALL: [Self; 38] = [
        Self::UnfencedEnds,
        Self::UnfencedOutput,
        Self::LostSeemsHeld,
        Self::NoIdempotency,
        Self::AnyDigest,
        Self::NoDelay,
        Self::LosesOutput,
        Self::RepeatIsStale,
        Self::ClaimsTooMuch,
        Self::ClaimsBackwards,
        Self::NoPriority,
        Self::ActsThoughCanceled,
        Self::OutputStartsAgain,
        Self::ForgetsDispatch,
        Self::RescuesNoneAlone,
        Self::EventsAgain,
        Self::MixesTenants,
        Self::ShortTotal,
        Self::DropsMetrics,
        Self::LimitLetsOneMore,
        Self::RateLetsOneMore,
        Self::RateNeverWakes,
        Self::LiftedLimitHolds,
        Self::LimitEndsThePause,
        Self::PauseHoldsNothing,
        Self::PauseTakesANewReason,
        Self::ResumeLiftsTheLimit,
        Self::NoTurns,
        Self::NoLetterForLost,
        Self::LettersOldestFirst,
        Self::DiscardsNothing,
        Self::RedriveKeepsLetters,
        Self::RedrivesTheLiving,
        Self::RepeatsTwice,
        Self::RemovesTooMany,
        Self::RemovesTooYoung,
        Self::KeepsOneLess,
        Self::KeyOutlivesItsRun,
    ];
}

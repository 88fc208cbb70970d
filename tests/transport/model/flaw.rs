//! What can be wrong with a connector.

/// One broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The dispatch is announced twice.
    AnnouncesTwice,
    /// The dispatch is announced when the command has been started.
    AnnouncesLate,
    /// A refused dispatch is taken for a permission.
    ActsThoughRefused,
    /// A command whose connection broke is sent again.
    SendsAgain,
    /// A command whose connection broke is said to have done nothing.
    HidesTheUnknown,
    /// The script stands in the handle.
    TellsScript,
    /// Standard error is given as standard output.
    MixesStreams,
    /// Every other piece of output comes late.
    Reorders,
    /// Output is kept back until the command ends.
    KeepsOutputBack,
    /// While the observer is slow, pieces are lost.
    LosesWhenSlow,
    /// What follows the fourth mebibyte is cut off.
    CutsLongOutput,
    /// Bytes that are no whole characters are replaced.
    BreaksCharacters,
    /// An exit code keeps eight bits.
    ShortExitCode,
    /// An exit code other than zero is an error.
    ExitIsError,
    /// Standard input is left out.
    ForgetsInput,
    /// Standard input is cut after 64 KiB.
    CutsInput,
    /// A variable stays for the next command.
    KeepsVariables,
    /// The directory is left out.
    ForgetsDirectory,
    /// A cancel does nothing.
    IgnoresCancel,
    /// A cancel ends the call and lets the command go on.
    LeavesRunning,
    /// The time limit does nothing.
    IgnoresTimeout,
    /// The observer's errors are swallowed.
    IgnoresObserver,
    /// One command runs at a time.
    OneAtATime,
    /// A session that has seen an error answers nothing any more.
    BreaksForGood,
    /// A refused credential is tried again.
    TriesTwice,
    /// The error about a refused credential shows the password.
    ShowsPassword,
    /// The error about a refused credential names nobody.
    NamesNobody,
    /// A refused credential is a transport error.
    RefusalIsTransport,
    /// The limit for connecting does nothing.
    WaitsForever,
    /// Every failure to connect is of one layer.
    OneLayer,
    /// A closed session stays open.
    NeverCloses,
    /// A command that nobody knows is said to have ended well.
    FindsEverything,
    /// A reattached command is stopped by its second worker's first sight of it.
    RestartsOnReattach,
    /// A file is written piece by piece under its name.
    WritesInPlace,
    /// A file that is there is replaced in any case.
    AlwaysOverwrites,
    /// A copy that wrote nothing is said to have written.
    AlwaysCopied,
    /// A file's last byte is left out.
    LosesLastByte,
    /// A file name is changed where it is odd.
    ManglesNames,
    /// A file of any size is brought.
    FetchesAnything,
    /// A file that is not there is brought as an empty one.
    FetchesNothing,
    /// A local file is replaced in any case.
    FetchOverwrites,
    /// A probe finds every host well.
    ProbeIsGlad,
    /// A capability is there and not declared.
    Undeclared,
}

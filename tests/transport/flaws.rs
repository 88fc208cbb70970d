//! The suite can fail: a connector that breaks one promise fails the case about it, and the cases about other promises let
//! it pass.

use std::{any::Any, sync::Arc};

use opsconductor_core::testing::transport::{Case, Fixture, all};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::model::{Flaw, Model};

/// A flaw, the case that is about it with a piece of what it says, and the cases (or subjects) that may fail with it, which
/// are left out.
struct Expected {
    flaw: Flaw,
    case: &'static str,
    words: &'static str,
    also: &'static [&'static str],
}

const fn finds(flaw: Flaw, case: &'static str, words: &'static str) -> Expected {
    Expected { flaw, case, words, also: &[] }
}

impl Expected {
    const fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }
}

const EXPECTED: &[Expected] = &[
    finds(Flaw::AnnouncesTwice, "dispatch::the_dispatch_is_announced_once", "how often the dispatch")
        .also(&["dispatch::", "copy::", "fetch::"]),
    finds(Flaw::AnnouncesLate, "dispatch::nothing_acts_before_the_dispatch_has_returned", "acted while")
        .also(&["dispatch::a_refused_dispatch_runs_nothing"]),
    finds(Flaw::ActsThoughRefused, "dispatch::a_refused_dispatch_runs_nothing", "should fail").also(&[
        "leftovers::a_failed_call_leaves_nothing_after_shutdown",
        "copy::a_refused_dispatch_writes_nothing",
        "fetch::a_refused_dispatch_brings_nothing",
    ]),
    finds(Flaw::SendsAgain, "dispatch::a_connection_lost_while_it_runs_sends_nothing_again", "sent again"),
    finds(
        Flaw::HidesTheUnknown,
        "dispatch::a_connection_lost_while_it_runs_sends_nothing_again",
        "knows of nothing",
    ),
    finds(Flaw::TellsScript, "dispatch::a_handle_keeps_no_secret", "shows the script"),
    finds(Flaw::MixesStreams, "exec::the_two_streams_stay_apart", "standard output").also(&[
        "exec::a_failing_command_is_a_result_with_its_output",
        "sessions::eight_at_once_each_hear_their_own",
    ]),
    finds(Flaw::Reorders, "exec::output_keeps_its_order", "line 1 of 400").also(&[
        "exec::",
        "stop::",
        "reattach::",
    ]),
    finds(Flaw::KeepsOutputBack, "exec::output_comes_while_the_command_runs", "was not heard within")
        .also(&["stop::", "reattach::"]),
    finds(Flaw::LosesWhenSlow, "exec::a_slow_observer_loses_nothing", "line"),
    finds(Flaw::CutsLongOutput, "exec::five_megabytes_arrive_whole", "of 5000"),
    finds(Flaw::BreaksCharacters, "exec::a_character_survives_a_split_anywhere", "of 400"),
    finds(Flaw::ShortExitCode, "exec::an_exit_code_is_given_as_it_is", "left"),
    finds(Flaw::ExitIsError, "exec::a_failing_command_is_a_result_with_its_output", "should end by itself")
        .also(&[
            "exec::an_exit_code_is_given_as_it_is",
            "input::input_that_nobody_reads_is_no_failure",
            "sessions::",
            "reattach::",
        ]),
    finds(Flaw::ForgetsInput, "input::standard_input_arrives_and_ends", "left"),
    finds(Flaw::CutsInput, "input::much_input_arrives_whole", "bytes went in"),
    finds(Flaw::KeepsVariables, "input::a_variable_is_that_of_one_command", "next command has the variable"),
    finds(Flaw::ForgetsDirectory, "input::a_directory_is_that_of_one_command", "left"),
    finds(Flaw::IgnoresCancel, "stop::a_cancel_stops_the_remote_command", "did not return within").also(&[
        "dispatch::what_was_canceled_before_is_not_sent",
        "exec::output_comes_while_the_command_runs",
        "stop::a_session_goes_on_after_a_stop",
        "logon::no_password_is_shown",
        "reattach::a_cancel_stops_a_command_that_was_reattached_to",
    ]),
    finds(Flaw::LeavesRunning, "stop::a_cancel_stops_the_remote_command", "remote command goes on")
        .also(&["reattach::a_cancel_stops_a_command_that_was_reattached_to"]),
    finds(Flaw::IgnoresTimeout, "stop::a_timeout_stops_the_remote_command", "did not return within"),
    finds(Flaw::IgnoresObserver, "exec::an_observer_that_fails_ends_the_command", "did not return within")
        .also(&[
            "sessions::a_session_goes_on_after_an_error",
            "leftovers::a_failed_call_leaves_nothing_after_shutdown",
        ]),
    finds(Flaw::OneAtATime, "sessions::two_sessions_run_side_by_side", "waits until the first").also(&[
        "dispatch::",
        "sessions::eight_at_once_each_hear_their_own",
        "reattach::",
    ]),
    finds(Flaw::BreaksForGood, "sessions::a_session_goes_on_after_an_error", "has seen an error")
        .also(&["dispatch::a_refused_dispatch_runs_nothing", "stop::a_session_goes_on_after_a_stop"]),
    finds(Flaw::TriesTwice, "logon::a_refused_credential_is_tried_once", "how often")
        .also(&["probe::a_refused_credential_is_told_by_its_layer_and_tried_once"]),
    finds(Flaw::ShowsPassword, "logon::no_password_is_shown", "shows a password")
        .also(&["probe::a_refused_credential_is_told_by_its_layer_and_tried_once"]),
    finds(
        Flaw::NamesNobody,
        "logon::a_refused_credential_is_an_auth_error_that_names_host_and_user",
        "does not name the host",
    )
    .also(&[
        "logon::a_warm_session_lets_no_other_credential_in",
        "probe::a_refused_credential_is_told_by_its_layer_and_tried_once",
    ]),
    finds(
        Flaw::RefusalIsTransport,
        "logon::a_refused_credential_is_an_auth_error_that_names_host_and_user",
        "Auth",
    )
    .also(&[
        "logon::a_warm_session_lets_no_other_credential_in",
        "probe::a_refused_credential_is_told_by_its_layer_and_tried_once",
    ]),
    finds(Flaw::WaitsForever, "reach::a_silent_host_is_given_up_in_time", "goes on after")
        .also(&["probe::a_silent_host_is_given_up_in_time"]),
    finds(Flaw::OneLayer, "reach::a_closed_port_is_a_connect_error", "Connect").also(&["reach::", "probe::"]),
    finds(Flaw::NeverCloses, "leftovers::a_closed_session_leaves_nothing", "open").also(&[
        "stop::a_caller_that_goes_away_leaves_nothing_behind",
        "leftovers::",
        "reattach::another_worker_goes_on_with_the_command",
    ]),
    finds(Flaw::FindsEverything, "reattach::an_unknown_handle_is_not_found", "knows nothing of the command"),
    finds(Flaw::RestartsOnReattach, "reattach::another_worker_goes_on_with_the_command", "left")
        .also(&["reattach::a_cancel_stops_a_command_that_was_reattached_to"]),
    finds(Flaw::WritesInPlace, "copy::a_canceled_copy_leaves_the_old_or_the_new", "neither the old"),
    finds(Flaw::AlwaysOverwrites, "copy::a_file_is_not_replaced_unless_told", "the file is there"),
    finds(Flaw::AlwaysCopied, "copy::the_same_content_is_not_written_again", "Unchanged")
        .also(&["copy::many_files_go_in_one_call"]),
    finds(Flaw::LosesLastByte, "copy::any_bytes_arrive_as_they_are", "left").also(&["copy::", "fetch::"]),
    finds(Flaw::ManglesNames, "copy::odd_names_are_taken_as_they_are", "differ"),
    finds(Flaw::FetchesAnything, "fetch::a_file_that_is_too_large_is_refused", "the file is larger"),
    finds(Flaw::FetchesNothing, "fetch::a_file_that_is_not_there_is_not_found", "no such file"),
    finds(Flaw::FetchOverwrites, "fetch::a_local_file_is_replaced_only_when_told", "local file is there"),
    finds(Flaw::ProbeIsGlad, "probe::a_closed_port_is_told_by_its_layer", "nothing that could be used")
        .also(&["probe::"]),
    finds(Flaw::Undeclared, "copy::a_new_file_is_written", "no declared capability").also(&[
        "input::",
        "stop::",
        "reattach::",
        "copy::",
        "fetch::",
    ]),
];

/// Cases that take their time; they run only where they are expected to fail.
const SLOW: &[&str] = &[
    "dispatch::a_connection_lost_while_it_runs_sends_nothing_again",
    "exec::a_slow_observer_loses_nothing",
    "exec::five_megabytes_arrive_whole",
    "exec::an_observer_that_fails_ends_the_command",
    "input::much_input_arrives_whole",
    "stop::a_timeout_stops_the_remote_command",
    "reach::an_unreachable_host_is_given_up_in_time",
    "copy::a_canceled_copy_leaves_the_old_or_the_new",
    "copy::a_lost_connection_leaves_the_old_or_the_new",
    "fetch::an_interrupted_fetch_leaves_the_old_or_the_new",
];

/// How many flawed connectors are looked at at one time.
const AT_ONCE: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_promise_fails_its_case_and_no_other() {
    let free = Arc::new(Semaphore::new(AT_ONCE));
    let mut looks = JoinSet::new();
    for expected in EXPECTED {
        let free = Arc::clone(&free);
        looks.spawn(async move {
            let _slot = free.acquire().await.unwrap();
            look(expected).await
        });
    }
    let wrong: Vec<String> = looks.join_all().await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What is not as expected.
async fn look(expected: &'static Expected) -> Vec<String> {
    let mut cases = JoinSet::new();
    for case in all() {
        let name = format!("{}::{}", case.subject, case.name);
        let left_out = expected.also.iter().any(|may| name.starts_with(may)) || SLOW.contains(&name.as_str());
        if name == expected.case || !left_out {
            let model = Model::flawed(expected.flaw);
            // Some flaws show only in what does not come.
            let model = if name == expected.case { model.hasty() } else { model };
            cases.spawn(async move { (failure(model, case).await, name) });
        }
    }
    let ended = cases.join_all().await;
    assert!(ended.iter().any(|(_, name)| name == expected.case), "there is no case {}", expected.case);
    let wrong = ended.into_iter().filter_map(|(failure, name)| match (failure, name == expected.case) {
        (None, true) => Some(format!("does not fail: {name}")),
        (Some(said), true) if !said.contains(expected.words) => {
            Some(format!("says something else: {name}: {said}"))
        }
        (Some(said), false) => Some(format!("fails, unforeseen: {name}: {said}")),
        _ => None,
    });
    wrong.map(|what| format!("{:?} {what}", expected.flaw)).collect()
}

/// What a case says when it fails.
async fn failure(model: Model, case: Case) -> Option<String> {
    let task = tokio::spawn(async move { Fixture::run(&model, case.run).await });
    task.await.err().map(|error| said(&*error.into_panic()))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let mut text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default().replace('\n', " ");
    if text.len() > 400 {
        let end = (0..=400).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// What is left out must still be a case.
#[test]
fn what_is_left_out_is_a_case() {
    let names: Vec<_> = all().iter().map(|case| format!("{}::{}", case.subject, case.name)).collect();
    for name in SLOW.iter().chain(EXPECTED.iter().flat_map(|expected| expected.also)) {
        assert!(names.iter().any(|known| known.starts_with(name)), "there is no case {name}");
    }
}

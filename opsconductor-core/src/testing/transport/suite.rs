//! The list of cases, the macro that makes a test of each, and the same list for a program.

use std::{future::Future, pin::Pin};

use super::Fixture;

/// One case of the suite, to be run by hand.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What it is about.
    pub subject: &'static str,
    /// Its sentence.
    pub name: &'static str,
    /// Runs it; it panics when the promise does not hold.
    pub run: fn(Fixture) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Every case, in order.
pub fn all() -> Vec<Case> {
    crate::transport_suite!(@list cases ())
}

/// Makes one test of each promise of the transport seam, run on what `$builder` (a
/// [`TransportBuilder`](crate::testing::transport::TransportBuilder)) starts.
#[macro_export]
macro_rules! transport_suite {
    (@list $then:ident ($($arguments:tt)*)) => {
        $crate::transport_suite! {
            @$then ($($arguments)*);
            dispatch {
                nothing_acts_before_the_dispatch_has_returned,
                the_dispatch_is_announced_once,
                a_handle_keeps_no_secret,
                a_refused_dispatch_runs_nothing,
                what_was_canceled_before_is_not_sent,
                a_connection_lost_while_it_runs_sends_nothing_again,
                a_connection_lost_at_the_dispatch_sends_once_at_most,
            }
            exec {
                the_two_streams_stay_apart,
                output_keeps_its_order,
                a_silent_command_says_nothing,
                odd_characters_arrive_as_they_are,
                a_character_survives_a_split_anywhere,
                an_exit_code_is_given_as_it_is,
                a_failing_command_is_a_result_with_its_output,
                five_megabytes_arrive_whole,
                a_slow_observer_loses_nothing,
                an_observer_that_fails_ends_the_command,
                output_comes_while_the_command_runs,
            }
            input {
                standard_input_arrives_and_ends,
                without_input_a_command_sees_its_end_at_once,
                much_input_arrives_whole,
                input_that_nobody_reads_is_no_failure,
                a_variable_is_that_of_one_command,
                a_directory_is_that_of_one_command,
            }
            stop {
                a_cancel_stops_the_remote_command,
                a_timeout_stops_the_remote_command,
                a_command_that_ends_in_time_is_left_alone,
                a_caller_that_goes_away_leaves_nothing_behind,
                a_session_goes_on_after_a_stop,
            }
            sessions {
                two_sessions_run_side_by_side,
                eight_at_once_each_hear_their_own,
                one_session_runs_one_command_after_another,
                a_session_goes_on_after_an_error,
                a_warm_session_outlives_its_connections,
            }
            logon {
                a_refused_credential_is_an_auth_error_that_names_host_and_user,
                a_refused_credential_is_tried_once,
                a_warm_session_lets_no_other_credential_in,
                a_credential_of_another_kind_is_refused_unsent,
                no_password_is_shown,
            }
            reach {
                a_closed_port_is_a_connect_error,
                an_unknown_name_is_a_name_error,
                a_silent_host_is_given_up_in_time,
                an_unreachable_host_is_given_up_in_time,
            }
            leftovers {
                a_closed_session_leaves_nothing,
                a_dropped_session_leaves_nothing_after_shutdown,
                a_failed_call_leaves_nothing_after_shutdown,
                a_lost_connection_leaves_nothing_after_shutdown,
            }
            reattach {
                another_worker_goes_on_with_the_command,
                a_command_that_ended_meanwhile_tells_its_end,
                a_cancel_stops_a_command_that_was_reattached_to,
                an_unknown_handle_is_not_found,
            }
            copy {
                a_new_file_is_written,
                an_empty_file_is_written,
                any_bytes_arrive_as_they_are,
                a_file_of_this_machine_is_sent,
                many_files_go_in_one_call,
                another_content_replaces_the_old_one,
                the_same_content_is_not_written_again,
                a_file_is_not_replaced_unless_told,
                odd_names_are_taken_as_they_are,
                a_refused_dispatch_writes_nothing,
                a_canceled_copy_leaves_the_old_or_the_new,
                a_lost_connection_leaves_the_old_or_the_new,
            }
            fetch {
                a_file_is_brought_as_it_is,
                odd_names_are_taken_as_they_are,
                a_local_file_is_replaced_only_when_told,
                a_file_that_is_too_large_is_refused,
                a_file_that_is_not_there_is_not_found,
                a_refused_dispatch_brings_nothing,
                an_interrupted_fetch_leaves_the_old_or_the_new,
            }
            probe {
                a_host_that_can_be_used_is_said_to_be,
                a_refused_credential_is_told_by_its_layer_and_tried_once,
                a_closed_port_is_told_by_its_layer,
                an_unknown_name_is_told_by_its_layer,
                a_silent_host_is_given_up_in_time,
            }
        }
    };
    (@tests ($builder:expr); $($subject:ident { $($case:ident,)+ })+) => {$(
        mod $subject {
            #[allow(unused_imports, reason = "the builder may be named by its whole path")]
            use super::*;

            $(
                #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let case = $crate::testing::transport::cases::$subject::$case;
                    $crate::testing::transport::Fixture::run(&$builder, case).await;
                }
            )+
        }
    )+};
    (@cases (); $($subject:ident { $($case:ident,)+ })+) => {
        vec![$($(
            $crate::testing::transport::Case {
                subject: stringify!($subject),
                name: stringify!($case),
                run: |fixture| Box::pin($crate::testing::transport::cases::$subject::$case(fixture)),
            },
        )+)+]
    };
    ($builder:expr) => {
        $crate::transport_suite! { @list tests ($builder) }
    };
}

#[cfg(test)]
mod tests {
    /// A case that is written and not listed would never run.
    #[test]
    fn every_case_is_listed() {
        let list = include_str!("suite.rs");
        for (subject, source) in [
            ("dispatch", include_str!("cases/dispatch.rs")),
            ("exec", include_str!("cases/exec.rs")),
            ("input", include_str!("cases/input.rs")),
            ("stop", include_str!("cases/stop.rs")),
            ("sessions", include_str!("cases/sessions.rs")),
            ("logon", include_str!("cases/logon.rs")),
            ("reach", include_str!("cases/reach.rs")),
            ("leftovers", include_str!("cases/leftovers.rs")),
            ("reattach", include_str!("cases/reattach.rs")),
            ("copy", include_str!("cases/copy.rs")),
            ("fetch", include_str!("cases/fetch.rs")),
            ("probe", include_str!("cases/probe.rs")),
        ] {
            let (_, listed) = list.split_once(&format!("            {subject} {{")).unwrap_or_default();
            let (listed, _) = listed.split_once('}').unwrap_or_default();
            let listed: Vec<_> = listed.split(',').map(str::trim).filter(|case| !case.is_empty()).collect();
            let written: Vec<_> = source
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next())
                .collect();
            assert_eq!(listed, written, "the cases of {subject}");
        }
        assert!(super::all().len() > 50, "the list for programs is the same");
    }
}

//! No member of a definition without a test of it: for each member that the job schema has, [`TESTS`] names one.

use std::collections::BTreeSet;

use opsconductor_core::job::StepKinds;
use serde_json::Value;

use crate::{commands, files, flow, jobs, repeats, services, targets, time, values};

/// The kinds by which the members are known that every step may have: one for each way to a host.
const SAMPLES: [&str; 3] = ["winrm.exec", "ssh.copy", "http.request"];

/// A member, by its path in the schema, and a test that would fail if it did nothing. Those of every step stand below `step`,
/// those of a job below `job`.
const TESTS: &[(&str, fn())] = &[
    ("job/name", jobs::a_job_is_kept_as_it_was_described_and_its_steps_by_their_names),
    ("job/version", jobs::a_job_is_kept_as_it_was_described_and_its_steps_by_their_names),
    ("job/description", jobs::a_job_is_kept_as_it_was_described_and_its_steps_by_their_names),
    ("job/parameters", values::parameters_have_defaults_and_a_schema_and_a_run_must_fit),
    ("job/parameterSchema", values::parameters_have_defaults_and_a_schema_and_a_run_must_fit),
    ("job/priority", jobs::of_waiting_runs_the_one_with_the_higher_priority_goes_first),
    ("job/concurrencyKey", jobs::runs_with_the_same_key_go_one_after_the_other),
    ("job/allowRaw", values::a_raw_value_is_sent_as_it_is_where_the_job_allows_that),
    ("job/timeoutSec", time::a_run_over_its_time_is_stopped_fails_and_cleans_up),
    ("job/maxParallel", targets::no_more_of_a_run_go_at_once_than_it_says),
    ("job/notify", jobs::who_is_to_be_told_is_told_when_a_run_has_ended),
    ("job/steps", flow::branches_go_side_by_side_and_meet),
    ("job/onFailure", flow::what_is_done_after_a_failure_and_in_any_case_is_done_then),
    ("job/finally", flow::what_is_done_after_a_failure_and_in_any_case_is_done_then),
    ("step/type", jobs::a_job_is_kept_as_it_was_described_and_its_steps_by_their_names),
    ("step/id", jobs::a_job_is_kept_as_it_was_described_and_its_steps_by_their_names),
    ("step/name", jobs::a_job_is_kept_as_it_was_described_and_its_steps_by_their_names),
    ("step/target", targets::targets_are_named_listed_and_selected),
    ("step/targets", targets::targets_are_named_listed_and_selected),
    ("step/targets/tags", targets::targets_are_named_listed_and_selected),
    ("step/targets/protocol", targets::targets_are_named_listed_and_selected),
    ("step/targets/name", targets::targets_are_named_listed_and_selected),
    ("step/targets/not", targets::targets_are_named_listed_and_selected),
    ("step/allowEmpty", targets::a_selector_of_nothing_is_a_fault_unless_the_step_allows_it),
    ("step/serial", targets::batches_go_one_after_the_other),
    ("step/maxFailPercentage", targets::too_many_failures_give_a_step_up),
    ("step/timeoutSec", time::a_step_over_its_time_is_stopped_and_has_failed),
    ("step/continueOnError", flow::a_failure_ends_the_steps_after_it_or_is_gone_on_from),
    ("step/onLost", repeats::a_step_that_was_lost_ends_so_or_is_sent_again_or_asks),
    ("step/idempotent", repeats::a_step_that_was_lost_ends_so_or_is_sent_again_or_asks),
    ("step/maxOutputBytes", commands::output_is_kept_up_to_its_limit_and_the_cut_is_marked),
    ("step/wait", flow::a_step_follows_target_by_target_unless_it_waits_for_all),
    ("step/dependsOn", flow::branches_go_side_by_side_and_meet),
    ("step/when", flow::a_step_is_skipped_where_its_condition_does_not_hold),
    ("step/register", values::the_output_of_a_step_is_read_by_those_after_it),
    ("step/retry", repeats::a_command_that_fails_twice_and_then_works_is_tried_three_times),
    ("step/retry/maxAttempts", repeats::a_command_that_fails_twice_and_then_works_is_tried_three_times),
    ("step/retry/backoffSec", repeats::a_further_attempt_waits_and_no_longer_than_the_longest_wait),
    ("step/retry/maxBackoffSec", repeats::a_further_attempt_waits_and_no_longer_than_the_longest_wait),
    ("step/retry/on", repeats::only_the_failures_that_a_step_names_are_tried_again),
    ("winrm.exec/shell", commands::a_command_runs_in_the_shell_that_it_names),
    ("winrm.exec/command", values::a_value_that_is_not_plain_is_quoted_or_stops_the_step),
    ("winrm.exec/script", commands::variables_input_and_folder_reach_a_script_that_no_template_touches),
    ("winrm.exec/env", commands::variables_input_and_folder_reach_a_script_that_no_template_touches),
    ("winrm.exec/stdin", commands::variables_input_and_folder_reach_a_script_that_no_template_touches),
    (
        "winrm.exec/workingDirectory",
        commands::variables_input_and_folder_reach_a_script_that_no_template_touches,
    ),
    ("ssh.exec/shell", commands::a_command_runs_in_the_shell_that_it_names),
    ("ssh.exec/command", values::a_value_that_is_not_plain_is_quoted_or_stops_the_step),
    ("ssh.exec/script", commands::variables_input_and_folder_reach_a_script_that_no_template_touches),
    ("ssh.exec/env", commands::variables_input_and_folder_reach_a_script_that_no_template_touches),
    ("ssh.exec/stdin", commands::variables_input_and_folder_reach_a_script_that_no_template_touches),
    (
        "ssh.exec/workingDirectory",
        commands::variables_input_and_folder_reach_a_script_that_no_template_touches,
    ),
    ("ssh.exec/sudo", commands::a_command_runs_as_another_user),
    ("ssh.exec/sudoUser", commands::a_command_runs_as_another_user),
    ("winrm.copy/destPath", files::contents_go_to_a_host_whole_and_replace_what_may_be_replaced),
    ("winrm.copy/content", files::contents_go_to_a_host_whole_and_replace_what_may_be_replaced),
    ("winrm.copy/contentB64", files::contents_go_to_a_host_whole_and_replace_what_may_be_replaced),
    ("winrm.copy/src", files::contents_go_to_a_host_whole_and_replace_what_may_be_replaced),
    ("winrm.copy/overwrite", files::contents_go_to_a_host_whole_and_replace_what_may_be_replaced),
    ("ssh.copy/destPath", files::contents_go_to_a_host_whole_and_replace_what_may_be_replaced),
    ("ssh.copy/content", files::contents_go_to_a_host_whole_and_replace_what_may_be_replaced),
    ("ssh.copy/contentB64", files::contents_go_to_a_host_whole_and_replace_what_may_be_replaced),
    ("ssh.copy/src", files::contents_go_to_a_host_whole_and_replace_what_may_be_replaced),
    ("ssh.copy/overwrite", files::contents_go_to_a_host_whole_and_replace_what_may_be_replaced),
    ("ssh.copy/mode", files::a_copy_sets_permissions_where_a_host_has_them),
    ("winrm.fetch/srcPath", files::a_file_comes_from_each_host_to_a_folder_of_its_name),
    ("winrm.fetch/dest", files::a_file_comes_from_each_host_to_a_folder_of_its_name),
    ("winrm.fetch/overwrite", files::a_file_comes_from_each_host_to_a_folder_of_its_name),
    ("winrm.fetch/maxBytes", files::a_file_comes_from_each_host_to_a_folder_of_its_name),
    ("ssh.fetch/srcPath", files::a_file_comes_from_each_host_to_a_folder_of_its_name),
    ("ssh.fetch/dest", files::a_file_comes_from_each_host_to_a_folder_of_its_name),
    ("ssh.fetch/overwrite", files::a_file_comes_from_each_host_to_a_folder_of_its_name),
    ("ssh.fetch/maxBytes", files::a_file_comes_from_each_host_to_a_folder_of_its_name),
    ("http.request/method", services::a_request_says_what_the_step_says),
    ("http.request/path", services::a_request_says_what_the_step_says),
    ("http.request/query", services::a_request_says_what_the_step_says),
    ("http.request/headers", services::a_request_says_what_the_step_says),
    ("http.request/json", services::a_request_says_what_the_step_says),
    ("http.request/form", services::a_request_says_what_the_step_says),
    ("http.request/body", services::a_request_says_what_the_step_says),
    ("http.request/expectStatus", services::an_answer_is_what_the_step_expects_and_asserts),
    ("http.request/assert", services::an_answer_is_what_the_step_expects_and_asserts),
    ("http.request/assert/path", services::an_answer_is_what_the_step_expects_and_asserts),
    ("http.request/assert/header", services::an_answer_is_what_the_step_expects_and_asserts),
    ("http.request/assert/equals", services::an_answer_is_what_the_step_expects_and_asserts),
    ("http.request/assert/notEquals", services::an_answer_is_what_the_step_expects_and_asserts),
    ("http.request/assert/contains", services::an_answer_is_what_the_step_expects_and_asserts),
    ("http.request/assert/matches", services::an_answer_is_what_the_step_expects_and_asserts),
    ("http.request/assert/exists", services::an_answer_is_what_the_step_expects_and_asserts),
    ("http.request/followRedirects", services::an_answer_is_what_the_step_expects_and_asserts),
    ("sleep/durationSec", time::a_sleep_passes_and_the_run_goes_on),
    ("approval/message", time::an_approval_waits_for_those_it_names_and_no_longer_than_it_says),
    ("approval/approvers", time::an_approval_waits_for_those_it_names_and_no_longer_than_it_says),
    ("approval/approvers/roles", time::an_approval_waits_for_those_it_names_and_no_longer_than_it_says),
    ("approval/approvers/users", time::an_approval_waits_for_those_it_names_and_no_longer_than_it_says),
];

#[test]
fn every_member_of_a_definition_has_a_test() {
    let schema = StepKinds::built_in().job_schema();
    let mut members = BTreeSet::new();
    members.extend(names(&schema).map(|name| format!("job/{name}")));
    let kinds = schema["$defs"].as_object().unwrap();
    let common = |name: &str| SAMPLES.iter().all(|kind| kinds[*kind]["properties"].get(name).is_some());
    for (kind, schema) in kinds {
        for name in names(schema) {
            let owner = if common(name) { "step" } else { kind };
            collect(&schema["properties"][name], &format!("{owner}/{name}"), &mut members);
        }
    }
    let tested: BTreeSet<_> = TESTS.iter().map(|(member, _)| (*member).to_owned()).collect();
    assert_eq!(tested.len(), TESTS.len(), "a member stands twice in the table");
    let without: Vec<_> = members.difference(&tested).collect();
    assert!(without.is_empty(), "write a test of each of these, and name it in the table: {without:?}");
    let gone: Vec<_> = tested.difference(&members).collect();
    assert!(gone.is_empty(), "no definition has these: {gone:?}");
}

/// The members of the objects that a schema describes.
fn names(schema: &Value) -> impl Iterator<Item = &String> {
    schema["properties"].as_object().into_iter().flat_map(|properties| properties.keys())
}

/// A member and what stands in it. What a selector leaves out is said like what it chooses.
fn collect(schema: &Value, path: &str, members: &mut BTreeSet<String>) {
    members.insert(path.to_owned());
    let choices = ["anyOf", "oneOf"].iter().filter_map(|word| schema[word].as_array()).flatten();
    for part in std::iter::once(schema).chain(choices).chain(schema.get("items")) {
        for name in names(part) {
            match name.as_str() {
                "not" => drop(members.insert(format!("{path}/not"))),
                _ => collect(&part["properties"][name], &format!("{path}/{name}"), members),
            }
        }
    }
}

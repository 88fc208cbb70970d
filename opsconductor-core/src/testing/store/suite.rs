//! The list of cases, and the macro that makes a test of each.

/// Makes one test of each case of the store's contract, and one that [compares](crate::testing::store::model) it with the
/// reference, run on what `$builder` (a
/// [`StoreBuilder`](crate::testing::store::StoreBuilder)) builds.
#[macro_export]
macro_rules! store_suite {
    ($builder:expr) => {
        mod model {
            #[allow(unused_imports, reason = "the builder may be named by its whole path")]
            use super::*;

            #[test]
            fn it_answers_like_the_reference() {
                $crate::testing::store::model::check(&$builder);
            }
        }

        $crate::store_suite! {
            @subjects $builder;
            audit {
                an_entry_is_chained_when_the_sequencer_comes_by,
                every_change_takes_its_entry_along,
                a_change_that_fails_leaves_no_entry,
                a_repeat_leaves_no_entry,
                a_strict_entry_is_chained_with_its_change,
                strict_and_staged_entries_make_one_chain,
                a_chain_holds_and_belongs_to_its_tenant,
                sequencers_at_once_leave_no_gap,
                records_are_found_by_what_is_asked,
                records_come_in_parts,
                a_checkpoint_is_of_the_chain,
                a_prefix_goes_where_a_note_stands_for_it,
                what_happened_before_a_time_is_a_prefix,
                a_key_is_kept_once,
                whatever_an_entry_says_comes_back,
            }
            tenants {
                the_default_tenant_is_there,
                a_tenant_is_found_by_name,
                a_name_is_given_once,
            }
            credentials {
                a_reserved_id_is_never_given_again,
                what_was_stored_is_read,
                a_name_or_an_id_is_used_once,
                an_update_needs_the_version_it_has_seen,
                an_update_keeps_names_apart_and_the_type,
                a_credential_in_use_stays,
                a_target_and_the_end_of_its_credential_do_not_both_come_through,
                the_types_of_many_are_read_at_once,
            }
            targets {
                what_was_stored_is_read,
                an_update_replaces_what_it_is,
                a_name_is_used_once,
                what_it_refers_to_must_exist,
                names_that_do_not_exist_are_left_out,
                a_list_by_tags_wants_every_one,
                a_target_that_another_depends_on_stays,
                a_target_of_a_live_run_stays_and_its_trace_remains,
                a_target_that_an_active_job_names_stays_and_keeps_its_name,
                a_job_and_the_end_of_its_target_do_not_both_come_through,
            }
            jobs {
                what_was_stored_is_read,
                a_name_is_used_once,
                an_update_adds_the_next_version,
                a_version_is_at_least_one,
                a_list_can_leave_out_the_inactive,
                a_job_with_runs_stays,
                versions_stay_and_come_newest_first,
                an_active_job_names_targets_that_are_there,
                a_change_of_a_job_that_was_changed_meanwhile_is_refused,
                whoever_is_refused_a_name_finds_who_has_it,
            }
            enqueue {
                a_run_and_its_tasks_are_written,
                a_repeat_answers_the_first_run,
                the_same_key_for_something_else_is_a_conflict,
                a_key_finds_its_run,
                what_it_refers_to_must_exist,
                a_run_of_what_the_job_was_is_refused_where_that_matters,
                a_run_keeps_its_version_and_its_parent,
                listeners_hear_of_it,
            }
            claim {
                a_claim_starts_the_task_and_the_run,
                a_second_claimer_gets_nothing,
                an_empty_queue_gives_nothing,
                no_more_than_the_limit_is_taken,
                waiting_tasks_are_not_taken,
                higher_priority_goes_first_then_due_time_then_id,
                a_small_limit_takes_the_first_in_order,
                tasks_of_a_run_go_in_the_order_of_their_targets,
                what_is_not_yet_due_waits_without_holding_others_back,
                a_task_is_never_given_to_two_of_eight,
                the_extremes_of_priority_are_kept,
            }
            dispatch {
                the_intent_is_found_by_the_rescuer,
                without_an_intent_there_is_none_to_find,
                a_new_attempt_begins_without_an_intent,
                a_lease_that_is_not_current_must_not_act,
                a_task_that_ended_must_not_act,
                a_canceled_run_must_not_act,
                the_rescuer_learns_how_long_ago_it_was,
            }
            renew {
                a_renewed_lease_does_not_run_out,
                a_lease_that_ran_out_but_was_not_taken_is_prolonged,
                answers_stand_in_the_order_asked,
                a_lease_of_a_canceled_run_is_prolonged_too,
                a_lease_that_was_taken_over_is_lost,
                a_lease_that_is_given_up_is_taken_over_at_once,
            }
            output {
                pieces_are_kept_in_order_with_their_events,
                a_repeated_piece_is_not_written_again,
                a_stale_lease_appends_nothing,
                what_is_too_long_or_no_text_is_refused_whole,
                each_attempt_counts_for_itself,
                a_query_narrows_and_goes_on,
            }
            complete {
                an_end_is_recorded,
                each_final_status_ends_a_run_as_it_should,
                a_status_that_is_not_final_is_refused_whole,
                a_stale_lease_writes_nothing,
                a_former_holder_writes_nothing,
                a_lease_that_ran_out_but_was_not_taken_still_writes,
                a_repeat_answers_the_same_and_writes_nothing,
                a_repeat_in_the_same_batch_counts_once,
                answers_stand_in_the_order_given,
                a_long_output_keeps_its_end,
                events_say_how_it_ended,
                two_batches_at_once_are_both_counted,
            }
            edges {
                a_target_goes_on_by_itself_and_drops_out_when_it_fails,
                the_success_of_one_target_releases_that_target_alone,
                a_target_that_a_step_shares_waits_for_its_own_and_any_other_for_nothing,
                a_step_that_goes_whole_takes_only_the_targets_that_are_shared_with_it,
                how_each_task_ended_is_told_of_those_that_have,
                a_barrier_waits_for_all,
                a_barrier_behind_a_failure_aborts_all_that_follows,
                a_task_with_two_edges_waits_for_both,
                a_step_may_fail_without_harm,
                released_tasks_of_older_runs_go_first,
            }
            requeue {
                a_task_goes_back_and_is_tried_again,
                a_lease_that_gave_back_is_over,
                a_stale_lease_gives_nothing_back,
                an_attempt_ends_in_a_final_status,
                in_a_canceled_run_it_ends_instead,
            }
            rescue {
                a_lease_runs_out_when_its_time_is_over,
                a_task_is_taken_over_once,
                a_rescuer_that_dies_is_rescued_in_turn,
                a_rescued_task_goes_back_and_ends_well,
                those_go_first_that_ran_out_first,
                the_rescuer_learns_where_the_output_stands,
                the_rescuer_learns_of_a_cancel,
            }
            cancel {
                a_queued_run_ends_at_once,
                a_running_run_ends_when_its_tasks_do,
                a_run_that_gets_done_all_the_same_keeps_its_success,
                a_retry_that_waits_is_aborted,
                a_repeat_changes_nothing,
                a_run_that_has_ended_stays_as_it_is,
                other_runs_go_on,
                workers_hear_of_it,
            }
            flow {
                what_is_done_in_any_case_comes_last,
                what_follows_a_failure_comes_before_it,
                a_failure_in_it_fails_the_run_and_holds_back_nothing_of_it,
                what_may_fail_is_no_failure,
                a_cancel_spares_what_is_done_in_any_case,
                a_queued_run_that_is_canceled_does_it_too,
                a_cancel_that_comes_again_when_nothing_else_is_left_ends_it,
                batches_go_one_after_the_other,
                a_batch_waits_for_the_steps_before_it_too,
                a_batch_that_fails_whole_gives_the_step_up,
                too_many_failures_give_the_step_up,
                a_run_over_its_time_stops_and_fails,
                so_many_tasks_of_a_run_go_at_once,
            }
            waits {
                a_task_waits_for_its_time_and_holds_nothing,
                an_answer_makes_a_task_ready_and_is_found,
                a_question_that_nobody_answers_ends_with_its_time,
                an_answer_is_given_once_and_where_one_is_wanted,
                of_answers_at_once_one_counts,
                a_task_that_was_lost_is_asked_about_and_tried_anew,
                a_cancel_ends_what_waits,
                what_waits_for_a_person_is_listed_with_what_it_asks,
                what_asks_nobody_is_not_listed,
                what_began_to_wait_last_is_listed_first_in_parts,
            }
            turns {
                they_go_one_after_the_other_in_the_order_of_enqueue,
                all_that_waits_for_nothing_else_begins_with_the_turn,
                other_keys_and_runs_without_one_go_beside_them,
                a_turn_passes_on_however_the_run_ended,
                a_run_that_is_canceled_before_its_turn_leaves_the_row,
                a_run_keeps_its_turn_between_its_tasks_and_while_it_is_rescued,
                of_many_enqueued_at_once_one_begins,
                listeners_hear_that_the_next_one_may_begin,
            }
            limits {
                so_many_run_at_once_on_a_target,
                four_claims_at_once_on_a_limit_of_one_start_one,
                a_credential_counts_on_all_its_targets,
                a_job_and_a_tenant_can_be_limited_too,
                what_waits_for_a_limit_holds_nothing_else_back,
                priority_orders_what_may_run,
                a_task_needs_room_in_all_that_it_belongs_to,
                a_limit_can_change_while_tasks_wait,
                a_task_counts_until_it_ends_or_goes_back,
                a_canceled_task_leaves_its_place_to_the_next,
                limits_are_read_listed_and_lifted,
                what_is_not_there_or_makes_no_sense_is_refused,
                listeners_hear_of_room,
                a_look_at_what_waits_does_no_harm,
            }
            rates {
                starts_are_spread_and_the_next_is_foreseen,
                a_burst_comes_after_a_quiet_time,
                an_end_gives_no_start_back,
                what_a_rate_keeps_holds_nothing_else_back,
                what_a_rate_lets_go_comes_in_the_order_of_priority,
                a_rate_and_a_limit_hold_together,
                a_new_rate_holds_from_now_on,
                claims_at_once_keep_a_rate_together,
            }
            pauses {
                nothing_starts_in_a_paused_tenant_and_what_runs_goes_on,
                a_paused_job_starts_nothing_and_others_do,
                a_pause_and_a_limit_do_not_touch_each_other,
                repeating_changes_nothing,
                a_run_that_waits_in_a_pause_can_be_canceled,
                listeners_hear_of_the_end,
            }
            dead_letters {
                a_task_that_failed_or_was_lost_leaves_one,
                what_is_handled_leaves_none,
                a_repeat_and_a_stale_lease_leave_no_second,
                they_are_listed_in_parts_and_by_run,
                one_that_is_discarded_is_gone,
                a_redrive_puts_a_run_in_their_place,
                a_redrive_that_cannot_be_changes_nothing,
                of_redrives_at_once_one_enqueues,
                tenants_see_their_own,
                a_run_is_repeated_with_or_without_letters,
                a_run_is_not_repeated_while_it_or_its_repeat_goes_on,
                what_stands_in_the_place_of_a_run_is_repeated_in_its_place,
                of_repeats_and_redrives_at_once_one_enqueues,
            }
            retention {
                runs_go_by_age_with_all_that_is_theirs,
                of_each_job_the_newest_stay,
                those_go_first_that_ended_first,
                a_run_that_is_alive_stays_however_old,
                a_repeat_of_a_removed_run_stands_alone,
                every_tenant_is_cleaned_and_all_is_kept_by_default,
                cleaners_at_once_do_no_harm,
            }
            secrets {
                sealed_parameters_are_kept_as_they_came,
                a_run_has_them_beside_all_else_that_it_says,
                a_run_without_has_none_and_a_repeat_brings_none,
                what_the_plan_does_not_name_is_refused,
                they_are_of_their_tenant_alone,
                they_go_with_their_run_and_not_with_one_that_repeats_it,
            }
            custody {
                records_of_all_tenants_come_once_with_what_they_are_bound_to,
                a_record_is_replaced_while_it_is_as_it_was_and_nothing_else_changes,
                what_was_rotated_or_removed_meanwhile_stays_as_it_is,
                of_two_who_replace_at_once_one_does,
                records_are_counted_by_what_they_are_and_the_key_they_name,
                keys_that_sign_tokens_are_among_them,
                keys_that_sign_the_audit_record_are_among_them,
            }
            versions {
                what_was_rotated_is_kept_as_it_was,
                what_was_not_rotated_keeps_nothing,
                old_versions_go_in_small_parts_and_the_present_one_stays,
                versions_go_with_their_credential,
                former_versions_are_in_custody,
                an_expiry_is_set_shown_and_goes_with_its_secret,
                what_expires_soon_is_found_over_all_tenants,
            }
            events {
                a_run_tells_its_story_in_order,
                reading_goes_on_after_a_number,
                runs_count_for_themselves,
                a_reader_that_follows_misses_nothing,
                listeners_hear_of_a_run_that_went_on,
            }
            feed {
                the_runs_of_a_tenant_tell_their_stories_in_one_row,
                reading_goes_on_after_a_number,
                what_is_numbered_once_keeps_its_number,
                a_follower_misses_nothing_while_many_write,
                events_of_runs_that_are_gone_are_left_out,
                steps_are_counted_as_they_stand,
            }
            paging {
                targets_come_newest_first_in_parts,
                credentials_come_newest_first_in_parts,
                jobs_come_newest_first_in_parts,
                runs_come_newest_first_and_by_filter,
                tasks_come_in_their_order_in_parts,
                a_task_is_found_by_its_place,
            }
            tenants_apart {
                credentials_are_apart,
                targets_are_apart,
                jobs_are_apart,
                runs_are_apart,
                enqueue_stays_in_the_tenant,
                workers_serve_every_tenant,
                a_task_is_read_through_its_own_run,
            }
            across {
                what_is_another_tenants_is_not_there_whatever_the_call,
            }
            accounts {
                what_was_stored_is_read,
                a_name_and_an_address_are_used_once_in_the_deployment,
                users_come_newest_first_in_parts,
                a_change_that_matters_ends_tokens,
                another_hash_of_the_same_password_ends_no_tokens,
                the_last_active_admin_of_a_tenant_stays,
                two_admins_do_not_both_go,
                users_are_apart,
                attempts_to_log_in_wait_longer_and_longer,
                attempts_to_log_in_are_forgotten,
                attempts_that_come_together_do_not_slip_through,
            }
            sessions {
                a_key_is_current_until_another_is,
                of_two_that_make_a_key_one_does,
                a_token_has_one_successor,
                a_token_that_was_used_before_ends_its_family,
                many_that_come_together_get_one_successor,
                a_family_ends_with_its_time,
                a_family_ends_with_what_ends_tokens,
                an_account_has_so_many_families,
            }
            api_tokens {
                what_was_stored_is_read,
                a_name_is_used_once_by_an_account,
                a_use_is_written_down_sparingly,
                a_token_ends_with_its_time_and_with_its_account,
                tokens_are_apart,
            }
            notifications {
                the_end_of_a_run_is_told_with_all_that_belongs_to_it,
                who_is_told_depends_on_how_it_ended,
                an_end_that_is_told_again_tells_nothing_more,
                a_run_nobody_is_told_of_leaves_nothing,
                what_is_due_is_claimed_once_and_again_when_the_lease_is_over,
                four_claims_at_once_get_each_one_once,
                an_attempt_leaves_what_came_of_it,
                they_are_listed_in_parts_and_by_what_is_wanted,
                a_tenant_that_has_stopped_is_left_out,
                old_ones_go_and_those_that_wait_stay,
                they_go_with_their_run,
                what_a_tenant_says_is_kept,
                a_secret_of_webhooks_stays_good_for_a_while_beside_its_successor,
                secrets_are_in_custody,
                what_a_user_wants_is_kept_and_goes_with_them,
                a_change_takes_its_entry_along,
            }
            workers {
                a_heartbeat_writes_a_worker_down,
                a_later_heartbeat_says_what_has_changed,
                a_silent_worker_is_shown_as_gone_until_it_is_heard_again,
                a_worker_that_signs_off_is_off_the_list,
                what_was_silent_for_a_day_goes_with_the_next_heartbeat,
                workers_come_newest_first_in_parts,
            }
        }
    };
    (@subjects $builder:expr; $($subject:ident { $($case:ident,)+ })+) => {$(
        mod $subject {
            #[allow(unused_imports, reason = "the builder may be named by its whole path")]
            use super::*;

            $(
                #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (fixture, _guard) = $crate::testing::store::Fixture::build(&$builder).await;
                    $crate::testing::store::cases::$subject::$case(fixture).await;
                }
            )+
        }
    )+};
}

#[cfg(test)]
mod tests {
    /// A case that is written and not listed would never run.
    #[test]
    fn every_case_is_listed() {
        let list = include_str!("suite.rs");
        for (subject, source) in [
            ("audit", include_str!("cases/audit.rs")),
            ("tenants", include_str!("cases/tenants.rs")),
            ("credentials", include_str!("cases/credentials.rs")),
            ("targets", include_str!("cases/targets.rs")),
            ("jobs", include_str!("cases/jobs.rs")),
            ("enqueue", include_str!("cases/enqueue.rs")),
            ("claim", include_str!("cases/claim.rs")),
            ("dispatch", include_str!("cases/dispatch.rs")),
            ("renew", include_str!("cases/renew.rs")),
            ("output", include_str!("cases/output.rs")),
            ("complete", include_str!("cases/complete.rs")),
            ("edges", include_str!("cases/edges.rs")),
            ("requeue", include_str!("cases/requeue.rs")),
            ("rescue", include_str!("cases/rescue.rs")),
            ("cancel", include_str!("cases/cancel.rs")),
            ("flow", include_str!("cases/flow.rs")),
            ("waits", include_str!("cases/waits.rs")),
            ("turns", include_str!("cases/turns.rs")),
            ("limits", include_str!("cases/limits.rs")),
            ("rates", include_str!("cases/rates.rs")),
            ("pauses", include_str!("cases/pauses.rs")),
            ("dead_letters", include_str!("cases/dead_letters.rs")),
            ("retention", include_str!("cases/retention.rs")),
            ("secrets", include_str!("cases/secrets.rs")),
            ("custody", include_str!("cases/custody.rs")),
            ("versions", include_str!("cases/versions.rs")),
            ("events", include_str!("cases/events.rs")),
            ("paging", include_str!("cases/paging.rs")),
            ("tenants_apart", include_str!("cases/tenants_apart.rs")),
            ("across", include_str!("cases/across.rs")),
            ("accounts", include_str!("cases/accounts.rs")),
            ("sessions", include_str!("cases/sessions.rs")),
            ("api_tokens", include_str!("cases/api_tokens.rs")),
            ("notifications", include_str!("cases/notifications.rs")),
            ("workers", include_str!("cases/workers.rs")),
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
    }
}

//! Commands: what they say, in order and whole, and how they end.

use std::time::Duration;

use crate::{
    ErrorKind,
    testing::transport::{Fixture, Recorder},
};

pub async fn the_two_streams_stay_apart(f: Fixture) {
    for dialect in f.dialects() {
        let parts = [
            dialect.print("out one"),
            dialect.print_error("err one"),
            dialect.print("out two"),
            dialect.print_error("err two"),
        ];
        let mut session = f.session().await;
        let said = f.say(&mut *session, Fixture::request(&*dialect, &parts)).await;
        let (shell, end) = (dialect.shell().as_str(), dialect.line_end());
        assert_eq!(said.stdout, format!("out one{end}out two{end}"), "{shell}: standard output");
        assert_eq!(said.stderr, format!("err one{end}err two{end}"), "{shell}: standard error");
        assert_eq!(said.exit_code, 0, "{shell}");
    }
}

pub async fn output_keeps_its_order(f: Fixture) {
    for dialect in f.dialects() {
        let Some(script) = dialect.print_lines(400, "a line") else { continue };
        let mut session = f.session().await;
        let said = f.say(&mut *session, Fixture::request(&*dialect, &[script])).await;
        expect_lines(&said.stdout, 400, "a line", dialect.line_end(), dialect.shell().as_str());
    }
}

pub async fn a_silent_command_says_nothing(f: Fixture) {
    for dialect in f.dialects() {
        let mut session = f.session().await;
        let said = f.say(&mut *session, Fixture::request(&*dialect, &[dialect.exit(0)])).await;
        let shell = dialect.shell().as_str();
        assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", ""), "{shell}: nothing was printed");
    }
}

pub async fn odd_characters_arrive_as_they_are(f: Fixture) {
    for dialect in f.dialects() {
        let text = dialect.odd_text();
        let mut session = f.session().await;
        let said = f.say(&mut *session, Fixture::request(&*dialect, &[dialect.print(text)])).await;
        let shell = dialect.shell().as_str();
        assert_eq!(said.stdout, format!("{text}{}", dialect.line_end()), "{shell}");
    }
}

pub async fn a_character_survives_a_split_anywhere(f: Fixture) {
    for dialect in f.dialects() {
        // Two, three and four bytes a character: whatever the length of a piece, some piece ends inside one.
        let text = "aé日🦀".repeat(30);
        let Some(script) = dialect.print_lines(400, &text) else { continue };
        let mut session = f.session().await;
        let said = f.say(&mut *session, Fixture::request(&*dialect, &[script])).await;
        expect_lines(&said.stdout, 400, &text, dialect.line_end(), dialect.shell().as_str());
    }
}

pub async fn an_exit_code_is_given_as_it_is(f: Fixture) {
    for dialect in f.dialects() {
        let mut session = f.session().await;
        for code in dialect.exit_codes() {
            let said = f.say(&mut *session, Fixture::request(&*dialect, &[dialect.exit(code)])).await;
            assert_eq!(said.exit_code, code, "{}", dialect.shell().as_str());
        }
    }
}

pub async fn a_failing_command_is_a_result_with_its_output(f: Fixture) {
    for dialect in f.dialects() {
        let parts =
            [dialect.print("before the end"), dialect.print_error("what went wrong"), dialect.exit(3)];
        let mut session = f.session().await;
        let said = f.say(&mut *session, Fixture::request(&*dialect, &parts)).await;
        let shell = dialect.shell().as_str();
        assert_eq!(said.exit_code, 3, "{shell}");
        assert_eq!(said.stdout.trim_end(), "before the end", "{shell}");
        assert_eq!(said.stderr.trim_end(), "what went wrong", "{shell}");
    }
}

pub async fn five_megabytes_arrive_whole(f: Fixture) {
    let mut seen = false;
    for dialect in f.dialects() {
        let text = "0123456789".repeat(100);
        let Some(script) = dialect.print_lines(5_000, &text) else { continue };
        seen = true;
        let mut session = f.session().await;
        let said = f.say(&mut *session, Fixture::request(&*dialect, &[script])).await;
        expect_lines(&said.stdout, 5_000, &text, dialect.line_end(), dialect.shell().as_str());
    }
    assert!(seen, "one dialect at least can print much");
}

pub async fn a_slow_observer_loses_nothing(f: Fixture) {
    for dialect in f.dialects() {
        let text = "0123456789".repeat(30);
        let Some(script) = dialect.print_lines(2_000, &text) else { continue };
        let mut session = f.session().await;
        let recorder = Recorder::slow(Duration::from_millis(20));
        let shell = dialect.shell().as_str();
        let ended = f.exec(&mut *session, Fixture::request(&*dialect, &[script]), &recorder).await;
        assert_eq!(ended.unwrap().exit_code, 0, "{shell}");
        expect_lines(&recorder.stdout(), 2_000, &text, dialect.line_end(), shell);
    }
}

pub async fn an_observer_that_fails_ends_the_command(f: Fixture) {
    for dialect in f.dialects() {
        let shell = dialect.shell().as_str();
        let mark = f.fresh(&*dialect);
        let recorder = Recorder::refusing_output();
        let running = f.begin(f.long(&*dialect, &mark), &recorder).await;
        if !f.capabilities().streaming {
            running.abandon().await;
            continue;
        }
        let heard = recorder.until(f.patience(), |heard| heard.pieces > 0).await;
        assert!(heard, "{shell}: no output came while the command ran");
        let since = std::time::Instant::now();
        let (_, error) = running.fails(Fixture::stopped_within(), "the observer failed").await;
        assert_eq!(
            error.kind(),
            Recorder::REFUSAL,
            "{shell}: the observer's own error comes back: {error:?}"
        );
        assert_eq!(recorder.heard().pieces, 1, "{shell}: the observer was called again after it had failed");
        if f.capabilities().stop {
            f.stopped(&*dialect, &mark, since, "the observer's refusal").await;
        } else {
            assert!(
                error.is_outcome_unknown(),
                "{shell}: the command may go on, and the error does not say so"
            );
        }
    }
}

pub async fn output_comes_while_the_command_runs(f: Fixture) {
    // Without the capability nothing is promised about when output comes, only that it comes.
    for dialect in f.dialects() {
        let parts = [dialect.print("first"), dialect.wait(Duration::from_secs(300)), dialect.print("last")];
        if f.capabilities().streaming {
            let recorder = Recorder::default();
            let mut running = f.begin(Fixture::request(&*dialect, &parts), &recorder).await;
            running.says("first").await;
            running.cancel();
            let (_, error) = running.fails(Fixture::stopped_within(), "the cancel").await;
            assert_eq!(error.kind(), ErrorKind::Canceled, "{error:?}");
        } else {
            let parts = [dialect.print("first"), dialect.wait(Duration::from_secs(1)), dialect.print("last")];
            let mut session = f.session().await;
            let said = f.say(&mut *session, Fixture::request(&*dialect, &parts)).await;
            let end = dialect.line_end();
            assert_eq!(said.stdout, format!("first{end}last{end}"));
        }
    }
}

fn expect_lines(said: &str, count: usize, text: &str, end: &str, shell: &str) {
    let mut lines = said.split(end);
    for number in 1..=count {
        let line = lines.next().unwrap_or_default();
        assert_eq!(
            line,
            format!("{number} {text}"),
            "{shell}: line {number} of {count} ({} bytes in all)",
            said.len()
        );
    }
    assert_eq!(lines.collect::<Vec<_>>(), [""], "{shell}: what comes after line {count}");
}
